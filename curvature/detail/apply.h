#pragma once

#include <cstdint>

#include <mjolnir/curvature/block_inverse.h>

#include "core/kernels/gemm.h"

namespace mjolnir::detail {

/** out (rows, columns) = scale L^-1 x (rows, columns), block by block. */
template <class T>
inline void apply_left(const BlockInverse& left, std::int64_t columns, T scale,
                       const T* x, T* out) {
  const T* inverse = left.values.data<T>();
  if (left.diagonal) {
    for (std::int64_t i = 0; i < left.size(); ++i) {
      const T factor = scale * inverse[i];
      for (std::int64_t j = 0; j < columns; ++j) {
        out[i * columns + j] = factor * x[i * columns + j];
      }
    }
  }
  for (const FactorBlock& b : left.blocks) {
    // out (O,D) = L^-1 (O,O) x (O,D)
    kernels::gemm<T>(false, false, b.size, columns, b.size, scale,
                     inverse + b.offset, b.size, x + b.begin * columns, columns,
                     T{0}, out + b.begin * columns, columns);
  }
}

/** out (rows, columns) = x (rows, columns) R^-1, block by block. */
template <class T>
inline void apply_right(const BlockInverse& right, std::int64_t rows,
                        const T* x, T* out) {
  const T* inverse = right.values.data<T>();
  const std::int64_t columns = right.size();
  if (right.diagonal) {
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        out[i * columns + j] = x[i * columns + j] * inverse[j];
      }
    }
  }
  for (const FactorBlock& b : right.blocks) {
    // out (O,D) = x (O,D) R^-1 (D,D)
    kernels::gemm<T>(false, false, rows, b.size, b.size, T{1}, x + b.begin,
                     columns, inverse + b.offset, b.size, T{0}, out + b.begin,
                     columns);
  }
}

/**
 * out = scale L^-1 x R^-1, block by block.
 * x, out (rows, columns); left (rows, rows); right (columns, columns) in its
 * order; scratch (2, rows, columns), the second half used only with an order.
 */
template <class T>
inline void apply_inverses(const BlockInverse& left, const BlockInverse& right,
                           T scale, const T* x, T* out, T* scratch) {
  const std::int64_t rows = left.size();
  const std::int64_t columns = right.size();
  T* product = scratch;
  if (right.order.empty()) {
    apply_left(left, columns, scale, x, product);
    apply_right(right, rows, product, out);
    return;
  }
  T* sorted = scratch + rows * columns;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      sorted[i * columns + j] =
          x[i * columns + right.order[static_cast<std::size_t>(j)]];
    }
  }
  apply_left(left, columns, scale, sorted, product);
  apply_right(right, rows, product, sorted);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      out[i * columns + right.order[static_cast<std::size_t>(j)]] =
          sorted[i * columns + j];
    }
  }
}

}  // namespace mjolnir::detail
