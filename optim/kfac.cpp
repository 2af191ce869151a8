#include <mjolnir/optim/kfac.h>

#include <memory>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/layers/factors.h>

#include "optim/detail/require.h"

namespace mjolnir::optim {
namespace {

PreconditionerOptions preconditioner(const KfacOptions& options) {
  detail::require_fraction("kfac", "momentum", options.momentum);
  check("kfac", options.step_length);
  PreconditionerOptions blocks;
  blocks.name = "kfac";
  blocks.kronecker.damping_split = options.damping_split;
  blocks.kronecker.running_average = options.running_average;
  blocks.kronecker.split_dim = options.split_dim;
  blocks.kronecker.joint_bias = options.joint_bias;
  blocks.kronecker.keep_factors = options.step_length.norm_constraint > 0.0;
  blocks.frequency = options.frequency;
  blocks.rule = options.refresh_rule;
  blocks.loss_scale = options.loss_scale;
  blocks.sum_reduced = options.loss_reduction == LossReduction::Sum;
  const Purpose purpose = options.targets == KfacTargets::Sampled
                              ? Purpose::Curvature
                              : Purpose::Training;
  blocks.scale_shift = options.scale_shift;
  blocks.purpose = purpose;
  blocks.make_observer = [purpose](bool joint_bias) {
    return std::make_shared<KroneckerObserver>(Collect::Nothing, joint_bias,
                                               purpose);
  };
  return blocks;
}

}  // namespace

Kfac::Kfac(Module& module, const KfacOptions& options)
    : Kfac(module, {{module.named_parameters()}}, options) {}

Kfac::Kfac(Module& module, const std::vector<ParameterGroup>& groups,
           const KfacOptions& options)
    : Optimizer(module, groups,
                {"kfac", options.learning_rate, options.weight_decay,
                 options.decay_filter, options.clip}),
      KroneckerState(module, tensors(), preconditioner(options)),
      options_(options),
      momentum_({options.momentum}, zero_state()) {
  damping();  // refuses a bad schedule
  if (options.loss_reduction == LossReduction::Sum) {
    counter_ = SampleCounter(module);
  }
}

void Kfac::zero_grad() {
  Optimizer::zero_grad();
  // Some may have been frozen or thawed since the last step.
  blocks().collect();
}

void Kfac::step() {
  const bool sum = options_.loss_reduction == LossReduction::Sum;
  const double samples = sum ? counter_.divisor(
                                   "[kfac] a sum-reduced loss is divided by "
                                   "the number of samples")
                             : 1.0;
  const double lambda = damping();
  // 1. g <- g / loss_scale, and / N of a sum over samples; clipped
  const auto updates = begin_step(1.0 / (options_.loss_scale * samples));
  std::vector<Direction> directions = directions_of(updates);
  blocks().check(directions);
  // 2. A <- rho A + (1 - rho) A_now, G alike; their damped inverses
  blocks().refresh(directions, lambda);
  // 3. g' = 1/T Ghat^-1 g Ahat^-1, clipped by the KL divergence of the step
  blocks().precondition(directions);
  bound_steps(options_.step_length, updates, energy(lambda), directions);
  // 4. v <- mu v + g' + wd w; w <- w - eta v
  for (const std::size_t i : momentum_.step(updates, directions)) {
    if (!blocks().skip(directions[i], "the step is not finite")) {
      report_left_alone(updates[i]);
    }
  }
  end_step();
  blocks().plan(steps());
}

void Kfac::visit_state(StateVisitor& visitor) {
  Optimizer::visit_state(visitor);
  momentum_.visit_state(visitor, state_names());
  blocks().visit_state(visitor);
}

double Kfac::damping() const { return value_of(options_.damping, "damping"); }

}  // namespace mjolnir::optim
