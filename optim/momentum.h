#pragma once

#include <cstddef>
#include <vector>

#include <mjolnir/core/state.h>
#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/preconditioner.h>
#include <mjolnir/optim/optimizer.h>

namespace mjolnir::optim {

/** Options of Momentum. */
struct MomentumOptions {
  double momentum = 0.9;  ///< mu, in [0, 1).
  bool nesterov = false;
  bool clip_each = false;  ///< Each tensor's g' + wd w to norm at most 1.
};

/** The last lines of a second-order step: g' <- g' + wd w, clipped; v <- mu v +
 * g'; w <- w - eta v, or w - eta (g' + mu v) with Nesterov (Sutskever et al.,
 * "On the importance of initialization and momentum in deep learning", ICML
 * 2013, as PyTorch has it). */
class Momentum {
 public:
  /** `velocity` by parameter index: zeros, or undefined for what is frozen. */
  Momentum(const MomentumOptions& options, std::vector<Tensor> velocity);

  /** Moves the parameters along the directions, one per update. A parameter
   * whose step is not finite everywhere is left alone; returns the places of
   * those in the list. */
  std::vector<std::size_t> step(const std::vector<Update>& updates,
                                const std::vector<Direction>& directions);

  /** Shows the velocities under the names of `parameters`. */
  void visit_state(StateVisitor& visitor,
                   const std::vector<NamedTensor>& parameters);

 private:
  bool move(const Update& update, const Direction& direction);

  MomentumOptions options_;
  std::vector<Tensor> velocity_;
};

}  // namespace mjolnir::optim
