#pragma once

#include <mjolnir/core/state.h>
#include <mjolnir/curvature/state.h>

namespace mjolnir::detail {

inline void visit_state(StateVisitor& visitor, FactorDamping& damping) {
  for (double* x : {&damping.a, &damping.g, &damping.pi}) visitor.number(*x);
  visitor.integer(damping.clamped);
}

/** What a block notes at a refresh. Returns whether it has an inverse. */
inline bool visit_state(StateVisitor& visitor, LayerCurvature& state) {
  for (double* x : {&state.positions, &state.mean_a, &state.mean_g}) {
    visitor.number(*x);
  }
  visit_state(visitor, state.damping);
  visitor.integer(state.last_refresh, -1, INT64_MAX);
  visitor.integer(state.refreshes, 0, INT64_MAX);
  return visitor.integer(state.preconditioner, 0,
                         static_cast<int>(Preconditioner::Scalar)) ==
         Preconditioner::Inverse;
}

}  // namespace mjolnir::detail
