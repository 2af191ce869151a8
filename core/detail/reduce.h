#pragma once

#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/tensor.h>

#include "core/kernels/reduce.h"

namespace mjolnir::detail {

/** Which axes of x go, and the shapes that remain. */
struct Reduced {
  /** Throws ShapeError for an axis out of range or given twice. */
  Reduced(const char* op, const Shape& shape, const Axes& axes);

  std::array<bool, Shape::max_rank> gone{};
  Shape kept;              // with length 1 along the reduced axes
  Shape dropped;           // without them
  std::int64_t count = 1;  // elements that are reduced to one
};

/** All axes of a shape. */
Axes all_axes(const Shape& shape);

/** The plan for a tensor in its own memory order. */
kernels::ReducePlan reduce_plan(const Tensor& x, const Reduced& reduced);

/** x, converted to row-major if its kept axes lie in memory in another order
 * than the result's. */
Tensor reducible(const Tensor& x, const Reduced& reduced);

/** x repeated to a shape in a layout: broadcast_to with a choice. */
Tensor expand(const Tensor& x, const Shape& shape, Layout layout);

}  // namespace mjolnir::detail
