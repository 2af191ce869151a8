#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir {

// Errors: ShapeError for lengths or axes that do not fit, ValueError for
// dtypes that differ. All but where() take any dtype.

/** The same elements, in logical order, in another shape; one length may be
 * -1 and follows from the rest. Shares the buffer of a row-major tensor. */
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor reshape(const Tensor& x, const std::vector<std::int64_t>& lengths);
Tensor reshape(const Tensor& x, std::initializer_list<std::int64_t> lengths);

/** Joins the axes from start_axis on into one. */
Tensor flatten(const Tensor& x, std::int64_t start_axis = 1);

/** Exchanges two axes; the result is a row-major copy. */
Tensor transpose(const Tensor& x, std::int64_t a, std::int64_t b);

/** Axis i of the result is axis axes[i] of x; a row-major copy. */
Tensor permute(const Tensor& x, const Axes& axes);

/** Elements [begin, end) along an axis; along axis 0 it shares the buffer.
 * Negative bounds count from the end. */
Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t begin,
             std::int64_t end);

/** Tensors end to end along an axis; their other lengths must agree. */
Tensor concat(const std::vector<Tensor>& tensors, std::int64_t axis);

/** Tensors of one shape side by side along a new axis. */
Tensor stack(const std::vector<Tensor>& tensors, std::int64_t axis);

/** x with (before, after) elements of `value` added along each axis. */
Tensor pad(const Tensor& x,
           const std::vector<std::pair<std::int64_t, std::int64_t>>& widths,
           double value = 0.0);

/** a where condition (u8) is not 0, b elsewhere; all three broadcast. */
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);

/** x repeated along missing axes and axes of length 1. */
Tensor broadcast_to(const Tensor& x, const Shape& shape);

/** The adjoint of broadcast_to: sums x over the axes along which a tensor of
 * `shape` would be repeated. */
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace mjolnir
