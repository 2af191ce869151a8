#include <mjolnir/optim/adamw.h>

#include <cmath>

#include "core/detail/dispatch.h"
#include "optim/detail/require.h"
#include "optim/kernels/adamw.h"

namespace mjolnir::optim {
namespace {

AdamWOptions checked(const AdamWOptions& options) {
  detail::require_fraction("adamw", "beta1", options.beta1);
  detail::require_fraction("adamw", "beta2", options.beta2);
  detail::require_at_least_zero("adamw", "epsilon", options.epsilon);
  return options;
}

}  // namespace

AdamW::AdamW(const Module& module, const AdamWOptions& options)
    : Optimizer(module, {"adamw", options.learning_rate, options.weight_decay,
                         options.decay_filter, options.clip}),
      options_(checked(options)),
      state_(list().size()) {}

AdamW::AdamW(const std::vector<ParameterGroup>& groups,
             const AdamWOptions& options)
    : Optimizer(groups, {"adamw", options.learning_rate, options.weight_decay,
                         options.decay_filter, options.clip}),
      options_(checked(options)),
      state_(list().size()) {}

void AdamW::step() {
  const std::vector<Update> updates = begin_step();
  for (const Update& u : updates) {
    State& state = state_[u.index];
    if (state.second.defined()) continue;
    state.first = Tensor::zeros_like(u.parameter);
    state.second = Tensor::zeros_like(u.parameter);
  }
  for (const Update& u : updates) {
    State& state = state_[u.index];
    const auto t = static_cast<double>(++state.steps);
    dispatch_float("adamw", u.parameter.dtype(), [&](auto tag) {
      using T = decltype(tag);
      kernels::AdamWStep<T> s;
      s.rate =
          static_cast<T>(u.learning_rate / (1.0 - std::pow(options_.beta1, t)));
      s.shrink = static_cast<T>(1.0 - u.learning_rate * u.weight_decay);
      s.beta1 = static_cast<T>(options_.beta1);
      s.beta2 = static_cast<T>(options_.beta2);
      s.second_scale =
          static_cast<T>(1.0 / std::sqrt(1.0 - std::pow(options_.beta2, t)));
      s.epsilon = static_cast<T>(options_.epsilon);
      s.gradient_scale = static_cast<T>(u.gradient_scale);
      kernels::adamw_step(u.parameter.numel(), u.parameter.mutable_data<T>(),
                          u.gradient.data<T>(), state.first.mutable_data<T>(),
                          state.second.mutable_data<T>(), s);
    });
  }
  end_step();
}

}  // namespace mjolnir::optim
