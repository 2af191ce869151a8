#include "core/kernels/gram.h"

#include <algorithm>

#include "core/detail/scratch.h"
#include "core/kernels/depthwise_gram.h"
#include "core/kernels/gemm.h"
#include "core/kernels/mirror.h"

namespace mjolnir::kernels {
namespace {

constexpr std::int64_t tile_bytes = 1 << 20;  // of a core's second-level cache
constexpr std::int64_t gram_scratch = 64 << 20;
constexpr std::int64_t least_tile_rows = 256;

// Columns of S in one product: narrow ones waste less of the half that is not
// needed, wide ones pay for themselves once S leaves the cache.
std::int64_t block_of(std::int64_t d) { return d <= 1536 ? 48 : 96; }

// How X^T X is summed: each thread takes some of the groups, or its share of
// the rows, which it sums into a matrix of its own; where these are too large
// or the rows too few, one matrix is summed tile by tile by all threads.
struct Split {
  std::int64_t threads = 1;
  bool by_group = false;
  std::int64_t tile_rows = 0;
  std::int64_t room = 0;  // numbers of a thread's tile
  std::int64_t part = 0;  // and of its matrix

  std::int64_t numbers() const { return threads * (room + part); }
};

// limit: in numbers.
Split split_rows(std::int64_t groups, std::int64_t rows, std::int64_t d,
                 bool copied, std::int64_t tile, std::int64_t limit) {
  Split split;
  split.tile_rows =
      copied ? std::min(rows, std::max(least_tile_rows, tile / d)) : rows;
  split.room = copied ? split.tile_rows * d : 0;
  split.by_group = shares_groups(groups);
  split.threads = split.by_group ? num_threads()
                                 : detail::threads_for(rows, least_tile_rows);
  // In double: d x d may be more than any memory.
  const double part = split.by_group ? 0 : double(d) * double(d);
  if (double(split.threads) * (double(split.room) + part) > double(limit)) {
    split.by_group = false;
    split.threads = 1;
    if (copied) {
      split.tile_rows = std::clamp<std::int64_t>(
          limit / d, 1, std::max<std::int64_t>(split.tile_rows, 1));
      split.room = split.tile_rows * d;
    }
  }
  if (!split.by_group && split.threads > 1) split.part = d * d;
  return split;
}

// S_g += X_g^T X_g: rows_of(group, begin, end, buffer) gives the address of
// rows [begin, end), having used `buffer` for what it copies.
template <class T, class RowsOf>
void add_tiles(const Split& split, std::int64_t groups, std::int64_t rows,
               std::int64_t d, std::int64_t stride, RowsOf rows_of, T* s) {
  const auto sum_rows = [&](std::int64_t group, std::int64_t begin,
                            std::int64_t end, T* buffer, T* to) {
    for (std::int64_t r = begin; r < end; r += split.tile_rows) {
      const std::int64_t count = std::min(split.tile_rows, end - r);
      add_gram_upper(count, d, rows_of(group, r, r + count, buffer), stride,
                     to);
    }
  };
  const Scratch<T> rooms(split.threads * split.room);
  const Scratch<T> parts(split.threads * split.part);
  if (split.by_group) {
    return parallel_for(
        split.threads, 1, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t t = begin; t < end; ++t) {
            const std::int64_t stop = groups * (t + 1) / split.threads;
            for (std::int64_t g = groups * t / split.threads; g < stop; ++g) {
              sum_rows(g, 0, rows, rooms.data() + t * split.room,
                       s + g * d * d);
              mirror(Triangle::Upper, d, s + g * d * d);
            }
          }
        });
  }
  for (std::int64_t g = 0; g < groups; ++g, s += d * d) {
    if (split.threads == 1) {
      sum_rows(g, 0, rows, rooms.data(), s);
      mirror(Triangle::Upper, d, s);
      continue;
    }
    parallel_for(split.threads, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t t = begin; t < end; ++t) {
        T* const part = parts.data() + t * d * d;
        std::fill_n(part, d * d, T(0));
        sum_rows(g, rows * t / split.threads, rows * (t + 1) / split.threads,
                 rooms.data() + t * split.room, part);
      }
    });
    for (std::int64_t t = 0; t < split.threads; ++t)
      add_to(d * d, parts.data() + t * d * d, s);
    mirror(Triangle::Upper, d, s);
  }
}

// One channel a group: products of numbers, in vectors of groups.
bool takes_depthwise(const ConvSizes& sizes, std::int64_t element_bytes,
                     std::int64_t limit) {
  return sizes.window.groups > 1 && sizes.group_inputs() == 1 &&
         depthwise_gram_scratch(sizes, element_bytes) <= limit;
}

bool is_pointwise(const Conv2dGeometry& w) {
  return w.kernel_h == 1 && w.kernel_w == 1;
}

// The rows of patches are those of x.
bool needs_no_copy(const Conv2dGeometry& w) {
  return is_pointwise(w) && w.stride_h == 1 && w.stride_w == 1 &&
         w.pad_top == 0 && w.pad_bottom == 0 && w.pad_left == 0 &&
         w.pad_right == 0;
}

// Leaves out the positions before and after the image of a window of one cell,
// by padding that begins (ends) at the first (last) position inside.
void trim(std::int64_t length, std::int64_t positions, std::int64_t stride,
          std::int64_t& before, std::int64_t& after) {
  const std::int64_t first = (before + stride - 1) / stride;
  const std::int64_t last =
      std::min(positions - 1, (length - 1 + before) / stride);
  before -= first * stride;
  after = (last - first) * stride + 1 - length - before;
}

ConvSizes without_padding(ConvSizes sizes) {
  Conv2dGeometry& w = sizes.window;
  if (!is_pointwise(w)) return sizes;
  trim(sizes.in_h, sizes.out_h(), w.stride_h, w.pad_top, w.pad_bottom);
  trim(sizes.in_w, sizes.out_w(), w.stride_w, w.pad_left, w.pad_right);
  return sizes;
}

Split split_patches(const ConvSizes& sizes, bool copied,
                    std::int64_t element_bytes, std::int64_t limit) {
  return split_rows(sizes.window.groups, sizes.rows(), sizes.patch(), copied,
                    tile_bytes / element_bytes, limit / element_bytes);
}

GramCost cost_of(const ConvSizes& sizes, bool copied,
                 std::int64_t element_bytes, std::int64_t limit) {
  const double rows = double(sizes.rows()) * double(sizes.window.groups);
  const std::int64_t d = sizes.patch();
  GramCost cost;
  if (takes_depthwise(sizes, element_bytes, limit)) {
    cost.work = rows * double(d) * (double(d + 1) / 2 + copy_work);
    cost.scratch_bytes = depthwise_gram_scratch(sizes, element_bytes);
    return cost;
  }
  const Split split = split_patches(sizes, copied, element_bytes, limit);
  const double calls =
      rows / double(std::max<std::int64_t>(split.tile_rows, 1));
  const std::int64_t block = block_of(d);
  for (std::int64_t i = 0; i < d; i += block)
    cost.work +=
        rows * product_work(std::min(block, d - i), d - i) + calls * call_work;
  if (copied) cost.work += rows * copy_work * double(d);
  cost.scratch_bytes = split.numbers() * element_bytes;
  return cost;
}

}  // namespace

template <class T>
void add_gram_upper(std::int64_t rows, std::int64_t d, const T* x,
                    std::int64_t stride, T* s) {
  const std::int64_t block = block_of(d);
  for (std::int64_t i = 0; i < d; i += block) {
    const std::int64_t left = d - i;
    const std::int64_t m = std::min(left, block);
    // s[i:i+m, i:] (m,left) += x[:, i:i+m]^T (m,rows) * x[:, i:] (rows,left)
    gemm<T>(true, false, m, left, rows, T(1), x + i, stride, x + i, stride,
            T(1), s + i * d + i, d);
  }
}

template <class T>
void add_gram(std::int64_t rows, std::int64_t d, const T* x, T* s) {
  const Split split =
      split_rows(1, rows, d, false, 0, gram_scratch / std::int64_t(sizeof(T)));
  add_tiles<T>(
      split, 1, rows, d, d,
      [&](std::int64_t, std::int64_t begin, std::int64_t, T*) {
        return x + begin * d;
      },
      s);
}

template <class T>
void add_patch_gram(const ConvSizes& sizes, const T* x, T* s,
                    std::int64_t limit) {
  if (takes_depthwise(sizes, sizeof(T), limit))
    return add_depthwise_gram(sizes, x, s);
  const std::int64_t d = sizes.patch();
  add_tiles<T>(
      split_patches(sizes, true, sizeof(T), limit), sizes.window.groups,
      sizes.rows(), d, d,
      [&](std::int64_t group, std::int64_t begin, std::int64_t end,
          T* tile) -> const T* {
        parallel_for(end - begin, 64,
                     [&](std::int64_t first, std::int64_t last) {
                       gather_patches(sizes, group, x, begin + first,
                                      begin + last, tile + first * d);
                     });
        return tile;
      },
      s);
}

GramCost patch_gram_cost(const ConvSizes& sizes, std::int64_t element_bytes,
                         std::int64_t limit) {
  return cost_of(sizes, true, element_bytes, limit);
}

bool is_disjoint(const Conv2dGeometry& w) {
  const auto disjoint = [](std::int64_t cells, std::int64_t stride,
                           std::int64_t dilation) {
    return cells == 1 || (dilation == 1 && stride >= cells);
  };
  return disjoint(w.kernel_h, w.stride_h, w.dilation_h) &&
         disjoint(w.kernel_w, w.stride_w, w.dilation_w);
}

template <class T>
void add_disjoint_gram(const ConvSizes& sizes, const T* x, T* s,
                       std::int64_t limit) {
  const ConvSizes inside = without_padding(sizes);
  if (inside.rows() == 0) return;
  if (takes_depthwise(inside, sizeof(T), limit) ||
      !needs_no_copy(inside.window))
    return add_patch_gram(inside, x, s, limit);
  const std::int64_t d = inside.patch();
  add_tiles<T>(
      split_patches(inside, false, sizeof(T), limit), inside.window.groups,
      inside.rows(), d, inside.in_channels,
      [&](std::int64_t group, std::int64_t begin, std::int64_t, T*) {
        return x + begin * inside.in_channels + group * d;
      },
      s);
}

GramCost disjoint_gram_cost(const ConvSizes& sizes, std::int64_t element_bytes,
                            std::int64_t limit) {
  const ConvSizes inside = without_padding(sizes);
  return cost_of(inside, !needs_no_copy(inside.window), element_bytes, limit);
}

#define MJOLNIR_INSTANTIATE(T)                                                \
  template void add_gram_upper(std::int64_t, std::int64_t, const T*,          \
                               std::int64_t, T*);                             \
  template void add_gram(std::int64_t, std::int64_t, const T*, T*);           \
  template void add_patch_gram(const ConvSizes&, const T*, T*, std::int64_t); \
  template void add_disjoint_gram(const ConvSizes&, const T*, T*, std::int64_t);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels
