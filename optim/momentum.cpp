#include <mjolnir/optim/momentum.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/detail/dispatch.h"
#include "core/detail/inner_product.h"
#include "optim/kernels/momentum.h"

namespace mjolnir::optim {
namespace {

using mjolnir::detail::inner_product;

/** 1 / max(1, |s g' + decay w|), from its three inner products. */
double clip(const Update& u, const Direction& d) {
  const Tensor& w = u.parameter;
  const double square =
      d.scale * d.scale * inner_product(d.value, d.value) +
      2.0 * d.scale * u.weight_decay * inner_product(d.value, w) +
      u.weight_decay * u.weight_decay * inner_product(w, w);
  return 1.0 / std::max(1.0, std::sqrt(std::max(0.0, square)));
}

}  // namespace

Momentum::Momentum(const MomentumOptions& options, std::vector<Tensor> velocity)
    : options_(options), velocity_(std::move(velocity)) {
  if (options.momentum == 0.0) {
    velocity_.assign(velocity_.size(), Tensor());
  }
}

std::vector<std::size_t> Momentum::step(
    const std::vector<Update>& updates,
    const std::vector<Direction>& directions) {
  for (const Update& u : updates) {
    Tensor& v = velocity_[u.index];
    if (options_.momentum != 0.0 && !v.defined()) {
      v = Tensor::zeros_like(u.parameter);
    }
  }
  // No more memory is needed after this.
  std::vector<std::size_t> refused;
  refused.reserve(updates.size());
  for (std::size_t i = 0; i < updates.size(); ++i) {
    if (!directions[i].value.defined()) continue;
    if (!move(updates[i], directions[i])) refused.push_back(i);
  }
  return refused;
}

void Momentum::visit_state(StateVisitor& visitor,
                           const std::vector<NamedTensor>& parameters) {
  if (options_.momentum == 0.0) return;
  visitor.scope("momentum", [&] {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      visitor.optional_tensor(parameters[i].first, velocity_[i],
                              parameters[i].second);
    }
  });
}

bool Momentum::move(const Update& u, const Direction& d) {
  const Tensor& w = u.parameter;
  const Tensor& v = velocity_[u.index];
  return dispatch_float("momentum", w.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const std::int64_t n = w.numel();
    const T* g = d.value.data<T>();
    T* velocity = v.defined() ? v.mutable_data<T>() : nullptr;
    kernels::MomentumStep<T> s;
    s.learning_rate = static_cast<T>(u.learning_rate);
    s.momentum = static_cast<T>(options_.momentum);
    s.carry = s.momentum;
    s.weight_decay = static_cast<T>(u.weight_decay);
    s.gradient_scale = static_cast<T>(d.scale);
    s.scale = options_.clip_each ? static_cast<T>(clip(u, d)) : T{1};
    s.nesterov = options_.nesterov;
    if (!kernels::momentum_step_is_finite(n, w.data<T>(), g, velocity, s)) {
      return false;
    }
    kernels::momentum_step(n, w.mutable_data<T>(), g, velocity, s);
    return true;
  });
}

}  // namespace mjolnir::optim
