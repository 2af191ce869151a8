#pragma once

#include <cstdint>
#include <vector>

#include <mjolnir/core/tensor.h>

namespace mjolnir {

/** Axes of a tensor; negative ones count from the end. */
using Axes = std::vector<std::int64_t>;

// Sums are taken in double, in an order that only the shape and the number of
// threads decide. Errors: ShapeError for an axis that is out of range or
// occurs twice, ValueError for integer tensors.

/** Sum of all elements, a scalar; 0 for none. */
Tensor sum(const Tensor& x);
/** Sum over some axes, which are dropped or kept with length 1. */
Tensor sum(const Tensor& x, const Axes& axes, bool keep_dims = false);

/** Mean of all elements, a scalar; NaN for none. */
Tensor mean(const Tensor& x);
/** Mean over some axes. */
Tensor mean(const Tensor& x, const Axes& axes, bool keep_dims = false);

/** Options of var(). */
struct VarOptions {
  /** The sum of squares is divided by the count less this: 1 gives the
   * unbiased estimate, 0 the population's variance. */
  std::int64_t correction = 1;
  /** Keeps the reduced axes with length 1. */
  bool keep_dims = false;
};

/** Variance over some axes; NaN where no more than `correction` elements are
 * reduced. */
Tensor var(const Tensor& x, const Axes& axes, const VarOptions& options = {});

/** Largest element, a scalar; NaN if there is one. Throws ShapeError for an
 * empty tensor. The gradient goes to the first of equals. */
Tensor max(const Tensor& x);
/** Largest element along some axes. Throws ShapeError for an empty axis. */
Tensor max(const Tensor& x, const Axes& axes, bool keep_dims = false);

/** Index (i64) of the largest element along an axis, which is dropped; the
 * first of equals, the first NaN if there is one. */
Tensor argmax(const Tensor& x, std::int64_t axis);

}  // namespace mjolnir
