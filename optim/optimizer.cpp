#include <mjolnir/optim/optimizer.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/layers/observation.h>

#include "core/detail/dispatch.h"
#include "core/detail/finite.h"
#include "core/detail/inner_product.h"
#include "core/kernels/sums.h"
#include "optim/detail/require.h"

namespace mjolnir::optim {
namespace {

std::string prefix(const char* name) { return "[" + std::string(name) + "] "; }

Tensor clamped(const Tensor& x, double limit) {
  const Tensor y = Tensor::empty_like(x);
  dispatch_float("optimizer", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    mjolnir::kernels::clamp_to(x.numel(), x.data<T>(), static_cast<T>(limit),
                               y.mutable_data<T>());
  });
  return y;
}

// A layer with two names twice, which does no harm.
void clear_observations(const Module& module) {
  const auto* layer = dynamic_cast<const ObservedLayer*>(&module);
  if (layer != nullptr) layer->clear_observations();
  for (const auto& [name, child] : module.children()) {
    clear_observations(*child);
  }
}

}  // namespace

Optimizer::~Optimizer() = default;

Optimizer::Optimizer(const Module& module, Common common)
    : common_(std::move(common)), module_(&module) {
  check_common();
  ParameterGroup group;
  group.parameters = module.named_parameters();
  add(group);
  if (parameters_.empty()) {
    throw ValueError(prefix(name()) + "the module has no parameters");
  }
  find_places();
}

Optimizer::Optimizer(const std::vector<ParameterGroup>& groups, Common common)
    : common_(std::move(common)) {
  check_common();
  for (const ParameterGroup& group : groups) add(group);
  if (parameters_.empty()) {
    throw ValueError(prefix(name()) + "got no parameters");
  }
}

Optimizer::Optimizer(const Module& module,
                     const std::vector<ParameterGroup>& groups, Common common)
    : Optimizer(groups, std::move(common)) {
  module_ = &module;
  find_places();
}

void Optimizer::find_places() {
  const std::vector<NamedTensor> all = module_->named_parameters();
  module_parameters_ = all.size();
  std::unordered_map<const void*, std::size_t> places;
  for (std::size_t i = 0; i < all.size(); ++i) {
    places.emplace(all[i].second.impl().get(), i);
  }
  for (Parameter& p : parameters_) {
    const auto found = places.find(p.tensor.impl().get());
    if (found != places.end()) p.place = found->second;
  }
}

void Optimizer::check_common() const {
  detail::require_at_least_zero(name(), "weight_decay", common_.weight_decay);
  value_of(common_.learning_rate, "learning rate");
  if (common_.clip.kind != GradientClip::Kind::None) {
    detail::require_positive(name(), "a clip limit", common_.clip.limit);
  }
}

void Optimizer::add(const ParameterGroup& group) {
  if (group.weight_decay) {
    detail::require_at_least_zero(name(), "weight_decay of a group",
                                  *group.weight_decay);
  }
  if (group.learning_rate) value_of(*group.learning_rate, "learning rate");
  std::unordered_map<const void*, std::string> seen;
  for (const Parameter& p : parameters_) seen[p.tensor.impl().get()] = p.name;
  for (const auto& [label, tensor] : group.parameters) {
    const std::string text = prefix(name()) + "parameter " + label;
    if (!tensor.defined()) throw ValueError(text + " is undefined");
    if (!is_floating(tensor.dtype())) {
      throw ValueError(text + " is " + name_of(tensor.dtype()) +
                       ", expected f32 or f64");
    }
    if (!tensor.is_leaf()) {
      throw ValueError(text + " is the result of an op, expected a leaf");
    }
    const auto [place, fresh] = seen.emplace(tensor.impl().get(), label);
    if (!fresh) {
      throw ValueError(text + " was given twice, the first time as " +
                       place->second);
    }
    const bool decays =
        !common_.decay_filter || common_.decay_filter(label, tensor);
    parameters_.push_back({label, tensor, groups_.size(), decays});
  }
  groups_.push_back({group.learning_rate, group.weight_decay});
}

void Optimizer::zero_grad() {
  for (const Parameter& p : parameters_) p.tensor.zero_grad();
  if (module_ != nullptr) clear_observations(*module_);
}

double Optimizer::value_of(const Schedule& schedule, const char* what) const {
  const double value = schedule(steps_);
  if (value >= 0.0 && std::isfinite(value)) return value;
  // Only here: the words are made on the heap, and this runs in every step.
  detail::require(false, name(),
                  "a finite " + std::string(what) + " of at least 0 at step " +
                      std::to_string(steps_),
                  value);
  return value;
}

double Optimizer::learning_rate() const {
  return rate_factor_ * value_of(common_.learning_rate, "learning rate");
}

void Optimizer::scale_learning_rate(double factor) {
  detail::require_at_least_zero(name(), "a factor of the learning rate",
                                factor);
  rate_factor_ *= factor;
}

void Optimizer::visit_state(StateVisitor& visitor) {
  visitor.integer(steps_, 0, INT64_MAX);
  visitor.number(rate_factor_);
}

SavedState Optimizer::state() const {
  // Saving shows the state and changes nothing.
  auto* self = const_cast<Optimizer*>(this);
  return save_state([self](StateVisitor& visitor) {
    visitor.scope(self->name(), [&] { self->visit_state(visitor); });
  });
}

void Optimizer::load_state(const SavedState& state) {
  mjolnir::load_state(state, [this](StateVisitor& visitor) {
    visitor.scope(name(), [&] { visit_state(visitor); });
  });
}

std::vector<NamedTensor> Optimizer::state_names() const {
  std::vector<NamedTensor> named = named_parameters();
  std::unordered_map<std::string, int> times;
  for (const auto& [label, tensor] : named) ++times[label];
  for (std::size_t i = 0; i < named.size(); ++i) {
    if (times[named[i].first] > 1) named[i].first += "#" + std::to_string(i);
  }
  return named;
}

std::vector<NamedTensor> Optimizer::named_parameters() const {
  std::vector<NamedTensor> named;
  for (const Parameter& p : parameters_) named.emplace_back(p.name, p.tensor);
  return named;
}

std::vector<Tensor> Optimizer::tensors() const {
  std::vector<Tensor> tensors;
  for (const Parameter& p : parameters_) tensors.push_back(p.tensor);
  return tensors;
}

std::vector<Tensor> Optimizer::zero_state() const {
  std::vector<Tensor> state;
  for (const Parameter& p : parameters_) {
    state.push_back(p.tensor.requires_grad() ? Tensor::zeros_like(p.tensor)
                                             : Tensor());
  }
  return state;
}

void Optimizer::check_module() const {
  if (module_ == nullptr) return;
  const std::vector<NamedTensor> now = module_->named_parameters();
  const auto changed = [&](const std::string& what) {
    return ValueError(prefix(name()) + what +
                      " since the optimizer was made; make a new optimizer");
  };
  if (now.size() != module_parameters_) {
    throw changed("the module's parameters went from " +
                  std::to_string(module_parameters_) + " to " +
                  std::to_string(now.size()));
  }
  for (const Parameter& p : parameters_) {
    if (!p.place) continue;
    const Tensor& other = now[*p.place].second;
    if (other.impl() == p.tensor.impl()) continue;
    throw changed("parameter " + p.name + " of shape " +
                  p.tensor.shape().str() + " was replaced by one of shape " +
                  other.shape().str());
  }
}

std::vector<Update> Optimizer::begin_step(double scale) const {
  check_module();
  std::vector<double> rates;
  for (const Group& group : groups_) {
    rates.push_back(rate_factor_ * value_of(group.learning_rate
                                                ? *group.learning_rate
                                                : common_.learning_rate,
                                            "learning rate"));
  }
  std::vector<Update> updates;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& p = parameters_[i];
    const Tensor gradient = p.tensor.grad();
    if (!gradient.defined()) continue;
    if (!mjolnir::detail::is_finite(gradient)) {
      throw NumericalError(prefix(name()) + "the gradient of " + p.name +
                           " is not finite at step " + std::to_string(steps_) +
                           "; no parameter was changed");
    }
    Update update;
    update.index = i;
    update.parameter = p.tensor;
    update.gradient = gradient.detach().to(p.tensor.layout());
    update.learning_rate = rates[p.group];
    if (p.decays) {
      update.weight_decay =
          groups_[p.group].weight_decay.value_or(common_.weight_decay);
    }
    updates.push_back(std::move(update));
  }
  if (updates.empty()) {
    throw ValueError(prefix(name()) +
                     "no parameter has a gradient; call backward() on the "
                     "loss before step()");
  }
  clip(updates, scale);
  return updates;
}

void Optimizer::clip(std::vector<Update>& updates, double scale) const {
  const double limit = common_.clip.limit;
  if (common_.clip.kind == GradientClip::Kind::Value) {
    for (Update& u : updates) u.gradient = clamped(u.gradient, limit / scale);
  } else if (common_.clip.kind == GradientClip::Kind::Norm) {
    double sum = 0.0;
    for (const Update& u : updates)
      sum += mjolnir::detail::inner_product(u.gradient, u.gradient);
    scale *= std::min(1.0, limit / (scale * std::sqrt(sum) + 1e-6));
  }
  for (Update& u : updates) u.gradient_scale = scale;
}

void Optimizer::report_not_finite(const Update& update) const {
  emit(Severity::Warning, name(),
       "parameter " + parameters_[update.index].name + ", step " +
           std::to_string(steps_) +
           ": the step of some elements is not finite; they are left alone");
}

void Optimizer::report_left_alone(const Update& update) const {
  emit(Severity::Warning, name(),
       "parameter " + parameters_[update.index].name + ", step " +
           std::to_string(steps_) +
           ": the step is not finite; the tensor is left alone");
}

}  // namespace mjolnir::optim
