#pragma once

#include <vector>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/curvature/preconditioner.h>
#include <mjolnir/optim/optimizer.h>

#include "core/detail/inner_product.h"

namespace mjolnir::optim::detail {

/** g^T delta + 1/2 delta^T (F + lambda I) delta, what the curvature says of a
 * step delta, beside what the loss does. */
class QuadraticModel {
 public:
  QuadraticModel(const std::vector<Update>& updates, double damping)
      : updates_(updates), damping_(damping) {}

  /** Before the step: remembers the loss and where the parameters are. */
  void begin(double loss) {
    loss_ = loss;
    for (const Update& u : updates_) before_.push_back(u.parameter.clone());
  }
  /** h(w + delta) - h(w) */
  double change(double loss) const { return loss - loss_; }
  /** What the model says of delta, the way the parameters went since begin().
   */
  double predicted(const KroneckerPreconditioner& blocks) const {
    const NoGrad no_grad;
    std::vector<Direction> steps;
    double slope = 0.0;
    for (std::size_t i = 0; i < updates_.size(); ++i) {
      const Update& u = updates_[i];
      Direction step;
      step.parameter = u.index;
      step.value = (u.parameter.detach() - before_[i]).to(u.parameter.layout());
      step.second_order = blocks.covers(u.index);
      slope += u.gradient_scale *
               mjolnir::detail::inner_product(step.value, u.gradient);
      steps.push_back(step);
    }
    return slope + 0.5 * blocks.energy(steps, damping_);
  }

 private:
  const std::vector<Update>& updates_;
  double damping_;
  double loss_ = 0.0;
  std::vector<Tensor> before_;
};

}  // namespace mjolnir::optim::detail
