#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <mjolnir/curvature/damping.h>
#include <mjolnir/curvature/refresh.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/optim/kronecker_state.h>
#include <mjolnir/optim/optimizer.h>
#include <mjolnir/optim/step_length.h>

namespace mjolnir::optim {

/** How the gradients are divided by the curvature before another optimizer
 * gets them; the fields are those of Thor. */
struct PreconditionedOptions {
  Schedule damping = 0.03;  ///< lambda; tune it together with the rate.
  long frequency = 100;     ///< Steps between looks, at least 1.
  RefreshRule refresh_rule = {};
  DampingSplit damping_split = DampingSplit::Even;
  double running_average = 0.0;  ///< rho of the factors, in [0, 1).
  std::int64_t split_dim = 0;    ///< Largest diagonal block; 0 is no split.
  bool joint_bias = false;
  double loss_scale = 1.0;  ///< What the mean loss was multiplied by.
  StepLengthOptions step_length = {};
  bool scale_shift = false;
};

namespace detail {

/** Checked, as a KroneckerPreconditioner takes them. */
PreconditionerOptions preconditioner(const PreconditionedOptions& options);

/** The updates with g' for g, without those that have none. */
std::vector<Update> preconditioned(const std::vector<Update>& updates,
                                   const std::vector<Direction>& directions);

}  // namespace detail

/**
 * Another optimizer (Sgd, AdamW, or any whose protected apply(updates) takes
 * the step) that is given g' = F^-1 g of the layers with factors instead of g:
 *
 *   Preconditioned<AdamW> optimizer(net, adamw_options, curvature_options);
 *
 * Clipping of the inner optimizer is of g, before it is divided.
 */
template <class Inner>
class Preconditioned final : public Inner, public KroneckerState {
 public:
  /** Throws ValueError for an option outside its domain, and as Optimizer. */
  template <class InnerOptions>
  Preconditioned(Module& module, const InnerOptions& inner,
                 const PreconditionedOptions& options = {})
      : Inner(module, inner),
        KroneckerState(module, this->tensors(),
                       detail::preconditioner(options)),
        options_(options) {
    damping();  // refuses a bad schedule
  }

  void zero_grad() override {
    Inner::zero_grad();
    blocks().collect();
  }

  void step() override {
    const auto updates = this->begin_step(1.0 / options_.loss_scale);
    std::vector<Direction> directions = directions_of(updates);
    const double lambda = damping();
    blocks().check(directions);
    blocks().refresh(directions, lambda);
    blocks().precondition(directions);
    bound_steps(options_.step_length, updates, energy(lambda), directions);
    this->apply(detail::preconditioned(updates, directions));
    blocks().plan(this->steps());
  }

  void visit_state(StateVisitor& visitor) override {
    Inner::visit_state(visitor);
    blocks().visit_state(visitor);
  }

  double damping() const override {
    return this->value_of(options_.damping, "damping");
  }

 private:
  PreconditionedOptions options_;
};

}  // namespace mjolnir::optim
