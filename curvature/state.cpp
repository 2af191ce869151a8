#include <mjolnir/core/error.h>
#include <mjolnir/curvature/state.h>

#include "curvature/detail/label.h"

namespace mjolnir {

Tensor CurvatureState::inverse_scale_shift(const std::string& layer) const {
  throw ValueError("[curvature] " + detail::label(layer) +
                   " has no blocks of scale and shift; see the optimizer's "
                   "option scale_shift");
}

}  // namespace mjolnir
