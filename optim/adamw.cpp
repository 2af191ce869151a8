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
      first_(zero_state()),
      second_(zero_state()),
      own_steps_(list().size(), 0) {}

AdamW::AdamW(const std::vector<ParameterGroup>& groups,
             const AdamWOptions& options)
    : Optimizer(groups, {"adamw", options.learning_rate, options.weight_decay,
                         options.decay_filter, options.clip}),
      options_(checked(options)),
      first_(zero_state()),
      second_(zero_state()),
      own_steps_(list().size(), 0) {}

void AdamW::step() { apply(begin_step()); }

void AdamW::visit_state(StateVisitor& visitor) {
  Optimizer::visit_state(visitor);
  for (long& steps : own_steps_) visitor.integer(steps, 0, INT64_MAX);
  const std::vector<NamedTensor> named = state_names();
  const auto visit = [&](const char* scope, std::vector<Tensor>& moments) {
    visitor.scope(scope, [&] {
      for (std::size_t i = 0; i < named.size(); ++i) {
        visitor.optional_tensor(named[i].first, moments[i], named[i].second);
      }
    });
  };
  visit("first", first_);
  visit("second", second_);
}

void AdamW::apply(const std::vector<Update>& updates) {
  for (const Update& u : updates) {
    if (second_[u.index].defined()) continue;
    first_[u.index] = Tensor::zeros_like(u.parameter);
    second_[u.index] = Tensor::zeros_like(u.parameter);
  }
  for (const Update& u : updates) {
    const auto t = static_cast<double>(++own_steps_[u.index]);
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
      if (!kernels::adamw_step(
              u.parameter.numel(), u.parameter.mutable_data<T>(),
              u.gradient.data<T>(), first_[u.index].mutable_data<T>(),
              second_[u.index].mutable_data<T>(), s)) {
        report_not_finite(u);
      }
    });
  }
  end_step();
}

}  // namespace mjolnir::optim
