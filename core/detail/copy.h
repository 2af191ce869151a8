#pragma once

#include <mjolnir/core/tensor.h>

#include "core/detail/axes.h"

namespace mjolnir::detail {

/**
 * Copies a box of `shape`: from x, at element first_x and with strides along
 * the logical axes, to y. The loops run in the memory order of `layout`. Both
 * have one dtype. Counts as a change of y.
 */
void copy_region(const Shape& shape, Layout layout, const Tensor& x,
                 const Strides& strides_x, std::int64_t first_x,
                 const Tensor& y, const Strides& strides_y,
                 std::int64_t first_y);

/** Fills y with x repeated to its shape. */
void copy_broadcast(const Tensor& x, const Tensor& y);

}  // namespace mjolnir::detail
