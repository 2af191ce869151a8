#pragma once

#include <cstdint>

#include <mjolnir/core/tensor.h>

namespace mjolnir {

/** Row ids[...] of weight (V,E) for each id (i64): shape of ids, then E.
 * Throws ValueError for an id outside [0, V). */
Tensor embedding(const Tensor& weight, const Tensor& ids);

/**
 * y[i,j,k] = x[i,index[i,j,k],k] for axis 1, and so on: index (i64) has x's
 * rank, its shape is the result's, and along the other axes it is no longer
 * than x. Throws ShapeError, or ValueError for an index out of range.
 */
Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& index);

/**
 * base with source[i,j,k] added at [i,index[i,j,k],k] for axis 1, and so on:
 * the adjoint of gather(). Equal indices add up, in a fixed order.
 */
Tensor scatter_add(const Tensor& base, std::int64_t axis, const Tensor& index,
                   const Tensor& source);

}  // namespace mjolnir
