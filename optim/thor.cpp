#include <mjolnir/optim/thor.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/layer_norm.h>

#include "core/detail/dispatch.h"
#include "optim/detail/quadratic_model.h"
#include "optim/detail/require.h"
#include "optim/kernels/layer_norm.h"

namespace mjolnir::optim {
namespace {

std::int64_t split_dim(const ThorOptions& options) {
  const bool parity = options.statistics == ThorStatistics::MindSporeGpu;
  return options.split_dim.value_or(parity ? 128 : 0);
}

StepLengthOptions step_length(const ThorOptions& options) {
  StepLengthOptions length;
  length.kl_clip = options.kl_clip;
  length.norm_constraint = options.norm_constraint;
  length.graft = options.graft;
  check("thor", length);
  return length;
}

PreconditionerOptions preconditioner(const ThorOptions& options) {
  detail::require_fraction("thor", "momentum", options.momentum);
  PreconditionerOptions blocks;
  blocks.name = "thor";
  blocks.kronecker.damping_split = options.damping_split;
  blocks.kronecker.running_average = options.running_average;
  blocks.kronecker.split_dim = split_dim(options);
  blocks.kronecker.joint_bias = options.joint_bias;
  blocks.kronecker.keep_factors =
      options.norm_constraint > 0.0 || options.adaptive_damping;
  blocks.frequency = options.frequency;
  blocks.rule = options.refresh_rule;
  blocks.loss_scale = options.loss_scale;
  blocks.sum_reduced = options.loss_reduction == LossReduction::Sum;
  blocks.scale_shift = options.scale_shift;
  if (options.statistics == ThorStatistics::MindSporeGpu) {
    if (options.scale_shift) {
      throw ValueError(
          "[thor] expected scale_shift or MindSpore's statistics, got both; "
          "parity has a rule of its own for LayerNorm");
    }
    blocks.make_observer = [](bool joint_bias) {
      return std::make_shared<BatchMeanObserver>(Collect::Nothing, joint_bias);
    };
  }
  return blocks;
}

}  // namespace

Thor::Thor(Module& module, const ThorOptions& options)
    : Optimizer(module, {"thor", options.learning_rate, options.weight_decay,
                         options.decay_filter, options.clip}),
      KroneckerState(module, tensors(), preconditioner(options)),
      options_(options),
      momentum_({options.momentum, options.nesterov, options.enable_clip_grad},
                zero_state()) {
  start(module);
}

Thor::Thor(Module& module, const std::vector<ParameterGroup>& groups,
           const ThorOptions& options)
    : Optimizer(module, groups,
                {"thor", options.learning_rate, options.weight_decay,
                 options.decay_filter, options.clip}),
      KroneckerState(module, tensors(), preconditioner(options)),
      options_(options),
      momentum_({options.momentum, options.nesterov, options.enable_clip_grad},
                zero_state()) {
  start(module);
}

void Thor::start(Module& module) {
  bounds_ = step_length(options_);
  const double lambda = damping();  // refuses a bad schedule
  if (options_.adaptive_damping) {
    adaptive_.emplace(lambda, *options_.adaptive_damping);
  }
  norms_.assign(list().size(), 0);
  counts_ = options_.loss_reduction == LossReduction::Sum;
  if (options_.statistics == ThorStatistics::MindSporeGpu) {
    for (const auto& [name, child] : module.named_modules()) {
      const auto* norm = dynamic_cast<const LayerNorm*>(child);
      if (norm == nullptr) continue;
      for (std::size_t i = 0; i < list().size(); ++i) {
        const auto& parameter = list()[i].tensor.impl();
        if (parameter != norm->weight.impl() &&
            parameter != norm->bias.impl()) {
          continue;
        }
        norms_[i] = 1;
        counts_ = true;
      }
    }
  }
  if (counts_) counter_ = SampleCounter(module);
}

void Thor::zero_grad() {
  Optimizer::zero_grad();
  // Some may have been frozen or thawed since the last step.
  blocks().collect();
}

void Thor::step() {
  if (adaptive_) {
    throw ValueError(
        "[thor] adaptive damping compares losses; call step(closure) with a "
        "closure that gives the loss of the same batch");
  }
  take_step(nullptr);
}

void Thor::step(const LossClosure& closure) {
  if (!closure) throw ValueError("[thor] expected a closure, got none");
  take_step(&closure);
}

void Thor::take_step(const LossClosure* closure) {
  const std::vector<Update> updates = begin_step(gradient_scale());
  std::vector<Direction> directions = directions_of(updates);
  const double lambda = damping();
  blocks().check(directions);
  // Nothing is refused from here on. The numbers are those of docs/thor.md.
  detail::QuadraticModel model(updates, lambda);
  const bool measures = adaptive_ && adaptive_->measures(steps());
  if (measures) model.begin(loss_of(*closure));
  // 1. g <- g / loss_scale, and / N of a sum over samples; clipped
  //    (gradient times gradient_scale)
  // 2. Ahat = A + pi sqrt(lambda/T) I, Ghat = G + sqrt(lambda/T)/pi I
  blocks().refresh(directions, lambda);
  // 3. g' = 1/T Ghat^-1 g Ahat^-1
  blocks().precondition(directions);
  divide_norms(directions, lambda);
  // 3b. g' <- min(1, sqrt(kappa / (eta^2 |sum <g', g>|))) g', grafting
  bound_steps(bounds_, updates, energy(lambda), directions);
  // 4. to 6. g' <- g' + wd w, clipped; v <- mu v + g'; w <- w - eta v
  for (const std::size_t i : momentum_.step(updates, directions)) {
    if (!blocks().skip(directions[i], "the step is not finite")) {
      report_left_alone(updates[i]);
    }
  }
  end_step();
  blocks().plan(steps());
  if (!measures) return;
  adaptive_->adapt(model.change(loss_of(*closure)), model.predicted(blocks()));
}

double Thor::gradient_scale() const {
  if (!counts_) return 1.0 / options_.loss_scale;
  const bool sum = options_.loss_reduction == LossReduction::Sum;
  const double samples = counter_.divisor(
      std::string("[thor] ") +
      (sum ? "a sum-reduced loss is divided by the number of samples"
           : "MindSpore's rule for LayerNorm needs the number of samples"));
  return 1.0 / (options_.loss_scale * (sum ? samples : 1.0));
}

double Thor::loss_of(const LossClosure& closure) const {
  const NoGrad no_grad;
  return closure().item() * gradient_scale();
}

void Thor::divide_norms(std::vector<Direction>& directions,
                        double damping) const {
  for (Direction& d : directions) {
    if (norms_[d.parameter] == 0) continue;
    d.value = Tensor::empty_like(d.gradient);
    d.scale = 1.0;
    dispatch_float("thor", d.value.dtype(), [&](auto tag) {
      using T = decltype(tag);
      kernels::divide_by_own_square(
          d.value.numel(), d.gradient.data<T>(),
          static_cast<T>(d.gradient_scale), static_cast<T>(counter_.samples()),
          static_cast<T>(std::sqrt(damping)), d.value.mutable_data<T>());
    });
  }
}

void Thor::visit_state(StateVisitor& visitor) {
  Optimizer::visit_state(visitor);
  momentum_.visit_state(visitor, state_names());
  if (adaptive_) {
    visitor.scope("damping", [&] { adaptive_->visit_state(visitor); });
  }
  blocks().visit_state(visitor);
}

double Thor::damping() const {
  return adaptive_ ? adaptive_->damping()
                   : value_of(options_.damping, "damping");
}

}  // namespace mjolnir::optim
