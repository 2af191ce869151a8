#pragma once

#include <mjolnir/core/autograd.h>

namespace mjolnir::detail {

/** What a closure keeps of x: nothing unless some gradient will want it, so
 * that the rest may be changed and its memory freed. */
inline Saved saved_if(bool wanted, const Tensor& x) {
  return wanted ? Saved(x) : Saved();
}

}  // namespace mjolnir::detail
