#include "core/kernels/shape.h"

#include <algorithm>
#include <cstring>

#include "core/detail/parallel.h"
#include "core/kernels/grain.h"

namespace mjolnir::kernels {
namespace {

// Columns of x lie a power of two apart as a rule, so that more than 8 of them
// would fight for one set of the first cache.
constexpr std::int64_t kTile = 64;
constexpr std::int64_t kTileColumns = 8;

template <class T>
void copy_runs(const LoopNest& nest, const T* x, T* y) {
  const std::int64_t step_x = nest.strides[0][nest.rank - 1];
  const std::int64_t step_y = nest.strides[1][nest.rank - 1];
  parallel_for(
      nest.numel(), worthwhile, [&](std::int64_t begin, std::int64_t end) {
        nest.walk(begin, end,
                  [&](std::int64_t, std::int64_t n, const auto& offsets) {
                    const T* from = x + offsets[0];
                    T* to = y + offsets[1];
                    if (step_x == 1 && step_y == 1) {
                      std::memcpy(to, from, sizeof(T) * n);
                    } else if (step_x == 0 && step_y == 1) {
                      std::fill_n(to, n, *from);
                    } else {
                      for (std::int64_t i = 0; i < n; ++i) {
                        to[i * step_y] = from[i * step_x];
                      }
                    }
                  });
      });
}

// The axis along which x is contiguous, if the innermost one is not.
int transposed_axis(const LoopNest& nest) {
  const int inner = nest.rank - 1;
  if (nest.strides[1][inner] != 1 || nest.strides[0][inner] <= 1) return -1;
  for (int i = inner - 1; i >= 0; --i) {
    if (nest.strides[0][i] == 1) return i;
  }
  return -1;
}

// y (rows,cols) = x^T, x (cols,rows), in tiles, for each position of
// the other axes.
template <class T>
void copy_transposed(const LoopNest& nest, int axis, const T* x, T* y) {
  const int inner = nest.rank - 1;
  const std::int64_t rows = nest.lengths[axis], cols = nest.lengths[inner];
  const std::int64_t step_x = nest.strides[0][inner];
  const std::int64_t step_y = nest.strides[1][axis];
  const std::int64_t tiles = (rows + kTile - 1) / kTile;
  LoopNest tasks = nest;
  tasks.lengths[axis] = tiles;
  tasks.strides[0][axis] = kTile;
  tasks.strides[1][axis] = kTile * step_y;
  tasks.lengths[inner] = 1;
  const std::int64_t grain = grain_of(cols, worthwhile / kTile);
  parallel_for(tasks.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
    tasks.walk(begin, end,
               [&](std::int64_t task, std::int64_t, const auto& offsets) {
                 std::int64_t after = 1;
                 for (int i = axis + 1; i < inner; ++i)
                   after *= tasks.lengths[i];
                 const std::int64_t first = task / after % tiles * kTile;
                 const std::int64_t height = std::min(kTile, rows - first);
                 const T* from = x + offsets[0];
                 T* to = y + offsets[1];
                 for (std::int64_t c0 = 0; c0 < cols; c0 += kTileColumns) {
                   const std::int64_t c1 = std::min(cols, c0 + kTileColumns);
                   for (std::int64_t r = 0; r < height; ++r) {
                     for (std::int64_t c = c0; c < c1; ++c) {
                       to[r * step_y + c] = from[r + c * step_x];
                     }
                   }
                 }
               });
  });
}

}  // namespace

template <class T>
void copy(const LoopNest& nest, const T* x, T* y) {
  if (nest.numel() == 0) return;
  const int axis = transposed_axis(nest);
  if (axis < 0) {
    copy_runs(nest, x, y);
  } else {
    copy_transposed(nest, axis, x, y);
  }
}

template void copy(const LoopNest&, const float*, float*);
template void copy(const LoopNest&, const double*, double*);
template void copy(const LoopNest&, const std::int64_t*, std::int64_t*);
template void copy(const LoopNest&, const std::uint8_t*, std::uint8_t*);

}  // namespace mjolnir::kernels
