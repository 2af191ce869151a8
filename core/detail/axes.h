#pragma once

#include <array>
#include <initializer_list>
#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>

#include "core/kernels/loop_nest.h"

namespace mjolnir::detail {

using Strides = std::array<std::int64_t, Shape::max_rank>;

/** Distance in memory of neighbours along each logical axis. */
Strides strides_of(const Shape& shape, Layout layout);

/** The logical axes from the outermost in memory to the innermost. */
std::array<std::size_t, Shape::max_rank> memory_order(std::size_t rank,
                                                      Layout layout);

/** False where both memory orders are the same. */
bool layout_matters(const Shape& shape) noexcept;

/** The shape both broadcast to by NumPy's rules: axes are matched from the
 * last, and an axis of length 1 is repeated. Throws ShapeError. */
Shape broadcast_shape(const char* op, const Shape& a, const Shape& b);

/** Layout of an elementwise result: that of the first operand of rank 4 for
 * which it makes a difference, else of the first of rank 4. */
Layout common_layout(const std::vector<Tensor>& operands);
Layout common_layout(const Tensor& a, const Tensor& b);

/** Loops over an output of that shape in its memory order, beside operands
 * that broadcast to it, each in its own layout. */
kernels::LoopNest broadcast_nest(const Shape& shape, Layout layout,
                                 std::initializer_list<const Tensor*> operands);

}  // namespace mjolnir::detail
