#include <mjolnir/curvature/scale_shift.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/elementwise.h>

#include "core/detail/inner_product.h"

namespace mjolnir {
namespace {

using detail::inner_product;

double cosine(const ScaleShiftTensors& x, const ScaleShiftTensors& y) {
  const auto dot = [](const ScaleShiftTensors& a, const ScaleShiftTensors& b) {
    return inner_product(a.scale, b.scale) + inner_product(a.shift, b.shift);
  };
  const double norms = std::sqrt(dot(x, x)) * std::sqrt(dot(y, y));
  return norms > 0.0 ? dot(x, y) / norms : 0.0;
}

}  // namespace

void ScaleShiftPreconditioner::adopt(const std::string& name,
                                     ScaleShiftSource& source,
                                     std::size_t scale, std::size_t shift) {
  auto observer = std::make_shared<ScaleShiftObserver>(options_.purpose);
  observer->collect(false);
  ObservationHandle handle = source.observe(observer);
  const Tensor tensor = source.curvature_scale();
  pairs_.push_back({std::move(observer), std::move(handle), tensor,
                    source.curvature_shift(), scale, shift,
                    ScaleShiftBlock(name, tensor, options_.running_average)});
}

bool ScaleShiftPreconditioner::owns(std::size_t parameter) const noexcept {
  return std::any_of(pairs_.begin(), pairs_.end(),
                     [&](const Pair& p) { return p.has(parameter); });
}

bool ScaleShiftPreconditioner::covers(std::size_t parameter) const noexcept {
  return std::any_of(pairs_.begin(), pairs_.end(), [&](const Pair& p) {
    return p.has(parameter) && p.block.ready() && p.trains();
  });
}

bool ScaleShiftPreconditioner::collecting() const noexcept {
  return std::any_of(pairs_.begin(), pairs_.end(),
                     [](const Pair& p) { return p.observer->collecting(); });
}

void ScaleShiftPreconditioner::look() {
  for (Pair& p : pairs_) p.look = true;
}

void ScaleShiftPreconditioner::collect() {
  for (const Pair& p : pairs_) {
    p.observer->collect(p.look && p.trains());
  }
}

void ScaleShiftPreconditioner::visit_state(StateVisitor& visitor) {
  for (Pair& p : pairs_) {
    visitor.scope(p.block.name(), [&] {
      visitor.integer(p.look);
      visitor.integer(p.last_look, -1, INT64_MAX);
      visitor.integer(p.looks, 0, INT64_MAX);
      visitor.number(p.cosine);
      p.block.visit_state(visitor);
    });
  }
}

const std::string* ScaleShiftPreconditioner::without_sums(
    const Places& places) const {
  const std::string* without = nullptr;
  bool some = false;
  for (const Pair& p : pairs_) {
    if (!p.look || !p.has_gradients(places)) {
      continue;
    }
    if (p.observer->samples() > 0) {
      p.block.check(p.observer->sums());
      some = true;
    } else if (without == nullptr && p.observer->collecting()) {
      without = &p.block.name();
    }
  }
  return some ? nullptr : without;
}

void ScaleShiftPreconditioner::refresh(const Places& places, double damping,
                                       long step) {
  for (Pair& p : pairs_) {
    if (!p.look || !p.has_gradients(places) || p.observer->samples() == 0) {
      continue;
    }
    const ScaleShiftSums sums = p.observer->sums();
    // mean: (N / loss_scale)^2 S / N; sum: S / (N loss_scale^2)
    const double root =
        (options_.sum_reduced ? 1.0 : static_cast<double>(sums.samples)) /
        options_.loss_scale;
    p.block.take(sums, root * root, damping, step);
    p.last_look = step;
    ++p.looks;
    p.look = !p.block.ready();
  }
}

void ScaleShiftPreconditioner::precondition(
    const Places& places, std::vector<Direction>& directions) {
  for (Pair& p : pairs_) {
    if (!p.has_gradients(places) || !p.block.ready()) {
      continue;
    }
    Direction& scale = directions[places[p.scale_index]];
    Direction& shift = directions[places[p.shift_index]];
    const ScaleShiftTensors gradient{scale.gradient, shift.gradient};
    const ScaleShiftTensors value =
        p.block.precondition(gradient, scale.gradient_scale);
    p.cosine = cosine(value, gradient);
    scale.value = value.scale;
    shift.value = value.shift;
    for (Direction* d : {&scale, &shift}) {
      d->scale = 1.0;
      d->second_order = true;
    }
  }
}

bool ScaleShiftPreconditioner::skip(std::size_t parameter, long step,
                                    const std::string& why) {
  for (Pair& p : pairs_) {
    if (!p.has(parameter)) continue;
    p.block.skip(step, why);
    return true;
  }
  return false;
}

double ScaleShiftPreconditioner::energy(
    const Places& places, const std::vector<Direction>& directions) const {
  const NoGrad no_grad;
  double sum = 0.0;
  for (const Pair& p : pairs_) {
    if (!p.has_gradients(places)) continue;
    const Direction& scale = directions[places[p.scale_index]];
    const Direction& shift = directions[places[p.shift_index]];
    if (!scale.second_order || !shift.second_order) continue;
    sum +=
        p.block.energy({scale.value * scale.scale, shift.value * shift.scale});
  }
  return sum;
}

std::vector<LayerCurvature> ScaleShiftPreconditioner::curvature(
    long step) const {
  std::vector<LayerCurvature> all;
  for (const Pair& p : pairs_) {
    all.push_back(p.block.state());
    LayerCurvature& state = all.back();
    state.age = state.last_refresh < 0 ? -1 : step - state.last_refresh;
    state.cosine = p.cosine;
    state.looks.refresh = p.looks;
    state.last_look = p.last_look;
  }
  return all;
}

const ScaleShiftBlock* ScaleShiftPreconditioner::find(
    const std::string& layer) const {
  for (const Pair& p : pairs_) {
    if (p.block.name() == layer) return &p.block;
  }
  return nullptr;
}

long ScaleShiftPreconditioner::refreshes() const noexcept {
  long sum = 0;
  for (const Pair& p : pairs_) sum += p.block.state().refreshes;
  return sum;
}

}  // namespace mjolnir
