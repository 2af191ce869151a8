#pragma once

#include <mjolnir/core/tensor.h>

namespace mjolnir::detail {

/** True if no other handle, and no owner outside the library, sees the
 * elements of x. */
bool unseen(const Tensor& x);

/** a + b, either of which may be undefined (zero). While recording a new,
 * recorded tensor; else written into a or b where nobody else sees it. */
Tensor accumulate(Tensor a, Tensor b);

/** The gradient in a buffer of the library's that no other tensor sees (as it
 * is, if it will be differentiated). */
Tensor own(Tensor gradient, bool recorded);

}  // namespace mjolnir::detail
