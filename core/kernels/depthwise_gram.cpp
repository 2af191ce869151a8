#include "core/kernels/depthwise_gram.h"

#include <algorithm>

#include "core/detail/parallel.h"
#include "core/detail/scratch.h"

namespace mjolnir::kernels {
namespace {

constexpr std::int64_t lanes = 16;
constexpr std::int64_t tile_bytes = 256 << 10;  // much of it from L2
constexpr std::int64_t most_tile_rows = 256;    // terms of one float's sum

struct Split {
  std::int64_t threads, tile_rows, tile, pairs;
};

Split split_of(const ConvSizes& sizes, std::int64_t element_bytes) {
  const std::int64_t cells = sizes.window.kernel_h * sizes.window.kernel_w;
  Split split;
  split.threads = detail::threads_for(sizes.rows(), 256);
  split.pairs = cells * (cells + 1) / 2;
  split.tile_rows = std::clamp<std::int64_t>(
      tile_bytes / (cells * sizes.in_channels * element_bytes), 1,
      most_tile_rows);
  split.tile = split.tile_rows * cells * sizes.in_channels;
  return split;
}

// to[l] += sum over rows of a[row, l] b[row, l] for `count` lanes.
template <class T>
void add_lanes(std::int64_t rows, std::int64_t stride, std::int64_t count,
               const T* a, const T* b, T* to) {
  T sums[lanes] = {};
  if (count == lanes) {
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t l = 0; l < lanes; ++l)
        sums[l] += a[r * stride + l] * b[r * stride + l];
  } else {
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t l = 0; l < count; ++l)
        sums[l] += a[r * stride + l] * b[r * stride + l];
  }
  for (std::int64_t l = 0; l < count; ++l) to[l] += sums[l];
}

// sums (pairs, C) += patches (rows, cells, C) of every pair of cells a <= b.
template <class T>
void add_pairs(std::int64_t rows, std::int64_t cells, std::int64_t channels,
               const T* patches, T* sums) {
  const std::int64_t stride = cells * channels;
  for (std::int64_t c = 0; c < channels; c += lanes) {
    T* to = sums + c;
    const std::int64_t count = std::min(lanes, channels - c);
    for (std::int64_t a = 0; a < cells; ++a)
      for (std::int64_t b = a; b < cells; ++b) {
        add_lanes(rows, stride, count, patches + a * channels + c,
                  patches + b * channels + c, to);
        to += channels;
      }
  }
}

}  // namespace

template <class T>
void add_depthwise_gram(const ConvSizes& sizes, const T* x, T* s) {
  const Split split = split_of(sizes, sizeof(T));
  const std::int64_t cells = sizes.window.kernel_h * sizes.window.kernel_w;
  const std::int64_t channels = sizes.in_channels;
  ConvSizes together = sizes;  // a patch of all channels, (cells, C)
  together.window.groups = 1;
  const std::int64_t numbers = split.pairs * channels;
  const Scratch<T> tiles(split.threads * split.tile);
  const Scratch<T> sums(split.threads * numbers);
  parallel_for(split.threads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      T* const tile = tiles.data() + t * split.tile;
      T* const own = sums.data() + t * numbers;
      std::fill_n(own, numbers, T(0));
      const std::int64_t stop = sizes.rows() * (t + 1) / split.threads;
      std::int64_t r = sizes.rows() * t / split.threads;
      for (; r < stop; r += split.tile_rows) {
        const std::int64_t rows = std::min(split.tile_rows, stop - r);
        gather_patches(together, 0, x, r, r + rows, tile);
        add_pairs(rows, cells, channels, tile, own);
      }
    }
  });
  parallel_for(channels, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      const T* from = sums.data() + c;
      T* const to = s + c * cells * cells;
      for (std::int64_t a = 0; a < cells; ++a)
        for (std::int64_t b = a; b < cells; ++b) {
          T sum = 0;
          for (std::int64_t t = 0; t < split.threads; ++t)
            sum += from[t * numbers];
          to[a * cells + b] += sum;
          to[b * cells + a] = to[a * cells + b];
          from += channels;
        }
    }
  });
}

std::int64_t depthwise_gram_scratch(const ConvSizes& sizes,
                                    std::int64_t element_bytes) {
  const Split split = split_of(sizes, element_bytes);
  return split.threads * (split.tile + split.pairs * sizes.in_channels) *
         element_bytes;
}

template void add_depthwise_gram(const ConvSizes&, const float*, float*);
template void add_depthwise_gram(const ConvSizes&, const double*, double*);

}  // namespace mjolnir::kernels
