#include "core/kernels/gram.h"

#include <algorithm>

#include "core/detail/parallel.h"
#include "core/detail/scratch.h"
#include "core/kernels/gemm.h"
#include "core/kernels/mirror.h"

namespace mjolnir::kernels {
namespace {

constexpr std::int64_t tile_bytes = 1 << 20;  // of a core's second-level cache
constexpr std::int64_t scratch_bytes = 64 << 20;
constexpr std::int64_t least_tile_rows = 256;

// Columns of S in one product: narrow ones waste less of the half that is not
// needed, wide ones pay for themselves once S leaves the cache.
std::int64_t block_of(std::int64_t d) { return d <= 1536 ? 48 : 96; }

// S += X^T X where column >= row, and a little below.
template <class T>
void add_upper(std::int64_t rows, std::int64_t d, const T* x, T* s) {
  const std::int64_t block = block_of(d);
  for (std::int64_t i = 0; i < d; i += block) {
    const std::int64_t left = d - i;
    const std::int64_t m = std::min(left, block);
    // s[i:i+m, i:] (m,left) += x[:, i:i+m]^T (m,rows) * x[:, i:] (rows,left)
    gemm<T>(true, false, m, left, rows, T(1), x + i, d, x + i, d, T(1),
            s + i * d + i, d);
  }
}

template <class T>
void add_to(std::int64_t n, const T* x, T* s) {
  parallel_for(n, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) s[i] += x[i];
  });
}

// S += X^T X with X in tiles of tile_rows: rows_of(begin, end, buffer) gives
// the address of rows [begin, end), having used `buffer` numbers of room. Each
// thread sums its share of the rows into a matrix of its own; where these are
// too large or the rows too few, one matrix is summed tile by tile by all
// threads.
template <class T, class RowsOf>
void add_tiles(std::int64_t rows, std::int64_t d, std::int64_t tile_rows,
               std::int64_t room, RowsOf rows_of, T* s) {
  std::int64_t threads = detail::threads_for(rows, least_tile_rows);
  // In double: d x d may be more than any memory.
  const double each = (double(room) + double(d) * double(d)) * sizeof(T);
  if (double(threads) * each > double(scratch_bytes)) threads = 1;
  const auto sum_rows = [&](std::int64_t begin, std::int64_t end, T* buffer,
                            T* to) {
    for (std::int64_t r = begin; r < end; r += tile_rows) {
      const std::int64_t count = std::min(tile_rows, end - r);
      add_upper(count, d, rows_of(r, r + count, buffer), to);
    }
  };
  const Scratch<T> rooms(threads * room);
  if (threads == 1) {
    sum_rows(0, rows, rooms.data(), s);
    return mirror(Triangle::Upper, d, s);
  }
  const Scratch<T> parts(threads * d * d);
  parallel_for(threads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      T* const part = parts.data() + t * d * d;
      std::fill_n(part, d * d, T(0));
      sum_rows(rows * t / threads, rows * (t + 1) / threads,
               rooms.data() + t * room, part);
    }
  });
  for (std::int64_t t = 0; t < threads; ++t)
    add_to(d * d, parts.data() + t * d * d, s);
  mirror(Triangle::Upper, d, s);
}

}  // namespace

template <class T>
void add_gram(std::int64_t rows, std::int64_t d, const T* x, T* s) {
  add_tiles<T>(
      rows, d, rows, 0,
      [&](std::int64_t begin, std::int64_t, T*) { return x + begin * d; }, s);
}

template <class T>
void add_patch_gram(const ConvSizes& sizes, const T* x, T* s) {
  const std::int64_t d = sizes.patch();
  const std::int64_t tile_rows =
      std::max(least_tile_rows, tile_bytes / (d * std::int64_t(sizeof(T))));
  add_tiles<T>(
      sizes.rows(), d, tile_rows, tile_rows * d,
      [&](std::int64_t begin, std::int64_t end, T* tile) -> const T* {
        parallel_for(end - begin, 64,
                     [&](std::int64_t first, std::int64_t last) {
                       gather_patches(sizes, 0, x, begin + first, begin + last,
                                      tile + first * d);
                     });
        return tile;
      },
      s);
}

template void add_gram(std::int64_t, std::int64_t, const float*, float*);
template void add_gram(std::int64_t, std::int64_t, const double*, double*);
template void add_patch_gram(const ConvSizes&, const float*, float*);
template void add_patch_gram(const ConvSizes&, const double*, double*);

}  // namespace mjolnir::kernels
