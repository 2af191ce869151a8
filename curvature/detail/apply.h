#pragma once

#include <cstdint>

#include <mjolnir/curvature/block_inverse.h>

#include "core/kernels/gemm.h"

namespace mjolnir::detail {

/**
 * out = scale G^-1 x A^-1, block by block.
 * x, out (rows, columns); g (rows, rows); a (columns, columns) in its order;
 * scratch (2, rows, columns), the second half used only with an order.
 */
template <class T>
void apply_inverses(const BlockInverse& g, const BlockInverse& a, T scale,
                    const T* x, T* out, T* scratch) {
  const std::int64_t rows = g.size();
  const std::int64_t columns = a.size();
  const bool reordered = !a.order.empty();
  T* product = scratch;
  T* sorted = scratch + rows * columns;
  if (reordered) {
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        sorted[i * columns + j] =
            x[i * columns + a.order[static_cast<std::size_t>(j)]];
      }
    }
    x = sorted;
  }
  for (const FactorBlock& b : g.blocks) {
    // product (O,D) = G^-1 (O,O) x (O,D)
    kernels::gemm<T>(false, false, b.size, columns, b.size, scale,
                     g.values.data<T>() + b.offset, b.size,
                     x + b.begin * columns, columns, T{0},
                     product + b.begin * columns, columns);
  }
  T* result = reordered ? sorted : out;
  for (const FactorBlock& b : a.blocks) {
    // result (O,D) = product (O,D) A^-1 (D,D)
    kernels::gemm<T>(false, false, rows, b.size, b.size, T{1},
                     product + b.begin, columns, a.values.data<T>() + b.offset,
                     b.size, T{0}, result + b.begin, columns);
  }
  if (!reordered) return;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      out[i * columns + a.order[static_cast<std::size_t>(j)]] =
          sorted[i * columns + j];
    }
  }
}

}  // namespace mjolnir::detail
