#include <mjolnir/optim/sgd.h>

#include <mjolnir/core/error.h>

#include "core/detail/dispatch.h"
#include "optim/detail/require.h"
#include "optim/kernels/momentum.h"

namespace mjolnir::optim {
namespace {

SgdOptions checked(const SgdOptions& options) {
  detail::require_fraction("sgd", "momentum", options.momentum);
  detail::require(options.dampening >= 0.0 && options.dampening <= 1.0, "sgd",
                  "dampening in [0, 1]", options.dampening);
  if (options.nesterov &&
      (options.momentum == 0.0 || options.dampening != 0.0)) {
    throw ValueError("[sgd] nesterov needs momentum above 0 and no dampening");
  }
  return options;
}

}  // namespace

Sgd::Sgd(const Module& module, const SgdOptions& options)
    : Optimizer(module, {"sgd", options.learning_rate, options.weight_decay,
                         options.decay_filter, options.clip}),
      options_(checked(options)),
      started_(list().size(), 0) {
  velocity_ = options.momentum != 0.0 ? zero_state()
                                      : std::vector<Tensor>(list().size());
}

Sgd::Sgd(const std::vector<ParameterGroup>& groups, const SgdOptions& options)
    : Optimizer(groups, {"sgd", options.learning_rate, options.weight_decay,
                         options.decay_filter, options.clip}),
      options_(checked(options)),
      started_(list().size(), 0) {
  velocity_ = options.momentum != 0.0 ? zero_state()
                                      : std::vector<Tensor>(list().size());
}

void Sgd::step() { apply(begin_step()); }

void Sgd::visit_state(StateVisitor& visitor) {
  Optimizer::visit_state(visitor);
  for (char& started : started_) visitor.integer(started, 0, 1);
  if (options_.momentum == 0.0) return;
  visitor.scope("momentum", [&] {
    const std::vector<NamedTensor> named = state_names();
    for (std::size_t i = 0; i < named.size(); ++i) {
      visitor.optional_tensor(named[i].first, velocity_[i], named[i].second);
    }
  });
}

void Sgd::apply(const std::vector<Update>& updates) {
  for (const Update& u : updates) {
    Tensor& v = velocity_[u.index];
    if (options_.momentum != 0.0 && !v.defined()) {
      v = Tensor::zeros_like(u.parameter);
    }
  }
  for (const Update& u : updates) {
    dispatch_float("sgd", u.parameter.dtype(), [&](auto tag) {
      using T = decltype(tag);
      const bool first = started_[u.index] == 0;
      const Tensor& v = velocity_[u.index];
      kernels::MomentumStep<T> s;
      s.learning_rate = static_cast<T>(u.learning_rate);
      s.momentum = static_cast<T>(options_.momentum);
      s.carry = first ? T{0} : s.momentum;
      s.gain = first ? T{1} : static_cast<T>(1.0 - options_.dampening);
      s.weight_decay = static_cast<T>(u.weight_decay);
      s.gradient_scale = static_cast<T>(u.gradient_scale);
      s.nesterov = options_.nesterov;
      if (!kernels::momentum_step(
              u.parameter.numel(), u.parameter.mutable_data<T>(),
              u.gradient.data<T>(), v.defined() ? v.mutable_data<T>() : nullptr,
              s)) {
        report_not_finite(u);
      }
    });
    started_[u.index] = 1;
  }
  end_step();
}

}  // namespace mjolnir::optim
