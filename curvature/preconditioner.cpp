#include <mjolnir/curvature/preconditioner.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/core/threads.h>

#include "core/detail/inner_product.h"
#include "core/detail/number.h"
#include "curvature/detail/balance.h"
#include "curvature/detail/label.h"

namespace mjolnir {
namespace {

using detail::inner_product;
using detail::label;

void require(bool ok, const std::string& name, const char* expected,
             double value) {
  if (ok) return;
  throw ValueError("[" + name + "] expected " + expected + ", got " +
                   detail::number(value));
}

PreconditionerOptions checked(PreconditionerOptions options) {
  const double scale = options.loss_scale;
  require(scale > 0.0 && std::isfinite(scale), options.name,
          "loss_scale above 0 and finite", scale);
  const double rho = options.kronecker.running_average;
  require(rho >= 0.0 && rho < 1.0, options.name, "running_average in [0, 1)",
          rho);
  require(options.kronecker.split_dim >= 0, options.name,
          "split_dim of at least 0",
          static_cast<double>(options.kronecker.split_dim));
  if (!options.make_observer) {
    options.make_observer = [](bool joint_bias) {
      return std::make_shared<KroneckerObserver>(Collect::Nothing, joint_bias);
    };
  }
  return options;
}

void tell(const RefreshDecision& d) {
  emit(Severity::Info, "decision",
       label(d.layer) + ", step " + std::to_string(d.step) + ": " +
           name_of(d.trace.verdict) + "; its trace changed by " +
           detail::number(d.trace.delta) + ", without damping by " +
           detail::number(d.trace.delta_undamped));
}

ScaleShiftOptions scale_shift(const PreconditionerOptions& options) {
  ScaleShiftOptions pairs;
  pairs.running_average = options.kronecker.running_average;
  pairs.loss_scale = options.loss_scale;
  pairs.sum_reduced = options.sum_reduced;
  pairs.purpose = options.purpose;
  return pairs;
}

}  // namespace

KroneckerPreconditioner::KroneckerPreconditioner(Module& module,
                                                 std::vector<Tensor> parameters,
                                                 PreconditionerOptions options)
    : parameters_(std::move(parameters)),
      options_(checked(std::move(options))),
      schedule_(options_.frequency, options_.rule),
      scale_shifts_(scale_shift(options_)) {
  for (const auto& [name, child] : module.named_modules()) {
    auto* source = dynamic_cast<CurvatureSource*>(child);
    if (source == nullptr) continue;
    if (!adopt(name, *source) && source->factors() != nullptr) {
      source->collect(Collect::Nothing);  // nobody would read it
    }
  }
  for (const auto& [name, child] : module.named_modules()) {
    auto* source = dynamic_cast<ScaleShiftSource*>(child);
    if (options_.scale_shift && source != nullptr) adopt(name, *source);
  }
  if (layers_.empty() && scale_shifts_.is_empty()) {
    emit(Severity::Warning, options_.name,
         "no layer has factors: every parameter is first-order; "
         "models::to_thor(module) gives factors to its layers");
  }
  plan(0);
}

KroneckerPreconditioner::~KroneckerPreconditioner() {
  for (const Layer& l : layers_) l.observer->collect(Collect::Nothing);
}

std::optional<std::size_t> KroneckerPreconditioner::index_of(
    const Tensor& parameter) const {
  if (!parameter.defined()) return std::nullopt;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].impl() == parameter.impl()) return i;
  }
  return std::nullopt;
}

bool KroneckerPreconditioner::adopt(const std::string& name,
                                    CurvatureSource& source) {
  const std::optional<std::size_t> weight = index_of(source.curvature_weight());
  if (!weight) return false;                      // not ours to move
  if (source.factors() == nullptr) return false;  // dormant
  for (const Layer& l : layers_) {
    if (l.weight != *weight) continue;
    emit(Severity::Info, options_.name,
         label(name) + " is treated as first-order: its weight belongs to " +
             label(l.blocks.front().name()) + " too");
    return false;
  }
  Layer layer;
  layer.weight = *weight;
  layer.rule = TraceRule(options_.rule.options());
  KroneckerOptions kronecker = options_.kronecker;
  if (kronecker.joint_bias || source.joint_bias()) {
    layer.bias = index_of(source.curvature_bias());
    // A shared bias joins one layer alone.
    if (layer.bias && covers(*layer.bias)) layer.bias.reset();
  }
  kronecker.joint_bias = layer.bias.has_value();
  const std::int64_t groups = source.curvature_geometry().groups;
  for (std::int64_t g = 0; g < groups; ++g) {
    layer.blocks.emplace_back(name, source, kronecker, g);
  }
  layer.observer = options_.make_observer(kronecker.joint_bias);
  source.enable_factors(layer.observer);
  layers_.push_back(std::move(layer));
  return true;
}

void KroneckerPreconditioner::adopt(const std::string& name,
                                    ScaleShiftSource& source) {
  const auto scale = index_of(source.curvature_scale());
  const auto shift = index_of(source.curvature_shift());
  if (!scale || !shift) return;  // not ours to move
  for (const std::size_t i : {*scale, *shift}) {
    if (!covers(i) && !scale_shifts_.owns(i)) continue;
    emit(Severity::Info, options_.name,
         label(name) +
             " is treated as first-order: its scale or shift belongs "
             "to another layer too");
    return;
  }
  scale_shifts_.adopt(name, source, *scale, *shift);
}

bool KroneckerPreconditioner::covers(std::size_t parameter) const noexcept {
  return scale_shifts_.covers(parameter) ||
         std::any_of(layers_.begin(), layers_.end(), [&](const Layer& l) {
           return l.weight == parameter || l.bias == parameter;
         });
}

bool KroneckerPreconditioner::collecting() const noexcept {
  const auto collects = [](const Layer& l) { return l.observer->collecting(); };
  return scale_shifts_.collecting() ||
         std::any_of(layers_.begin(), layers_.end(), collects);
}

void KroneckerPreconditioner::plan(long step) {
  step_ = step;
  for (Layer& l : layers_) {
    if (l.rule.frozen() || !schedule_.looks_at(step)) continue;
    l.look = true;
  }
  if (schedule_.looks_at(step)) scale_shifts_.look();
  collect();
}

Collect KroneckerPreconditioner::wanted(const Layer& l) const {
  if (!parameters_[l.weight].requires_grad()) return Collect::Nothing;
  if (l.due) return Collect::Factors;
  if (!l.look) return Collect::Nothing;
  // The first look has nothing to compare with: it refreshes at once.
  const bool first = l.rule.reference() < 0.0;
  return first || !options_.rule.needs_traces() ? Collect::Factors
                                                : Collect::Traces;
}

void KroneckerPreconditioner::collect() {
  for (const Layer& l : layers_) l.observer->collect(wanted(l));
  scale_shifts_.collect();
}

std::vector<KroneckerPreconditioner::Use> KroneckerPreconditioner::uses(
    std::vector<Direction>& directions) {
  const Places place = places(directions);
  const auto at = [&](std::size_t parameter) {
    return place.has(parameter) ? &directions[place[parameter]] : nullptr;
  };
  std::vector<Use> all;
  for (Layer& l : layers_) {
    Direction* weight = at(l.weight);
    if (weight == nullptr) continue;
    all.push_back({&l, weight, l.bias ? at(*l.bias) : nullptr});
  }
  return all;
}

void KroneckerPreconditioner::check(
    const std::vector<Direction>& directions) const {
  const Places place = places(directions);
  const std::string* pair = scale_shifts_.without_sums(place);
  const Layer* without = nullptr;
  bool some = false;
  for (const Layer& l : layers_) {
    if (!place.has(l.weight) || (!l.due && !l.look)) continue;
    if (l.observer->is_empty()) {
      if (without == nullptr && l.observer->collecting()) without = &l;
      continue;
    }
    some = true;
    if (l.observer->collects() != Collect::Factors) continue;
    for (std::size_t g = 0; g < l.blocks.size(); ++g) {
      l.blocks[g].check(l.observer->sums().group(static_cast<std::int64_t>(g)));
    }
  }
  if (some || (without == nullptr && pair == nullptr)) return;
  const bool training =
      (without == nullptr ? options_.purpose : without->observer->purpose()) ==
      Purpose::Training;
  throw ValueError(
      "[" + options_.name + "] " +
      label(without == nullptr ? *pair : without->blocks.front().name()) +
      (training ? " has a gradient but no factors; call zero_grad() before "
                  "backward(), and backward() on the loss of a batch that is "
                  "not empty, without create_graph"
                : " has a gradient but no factors; where collecting() says "
                  "so, call backward() with curvature_only on a loss with "
                  "sampled targets, between zero_grad() and step()"));
}

double KroneckerPreconditioner::gradient_scale(const FactorSums& sums) const {
  // mean: (N / loss_scale)^2 S_G / P; sum: S_G / (P loss_scale^2)
  const double samples =
      options_.sum_reduced ? 1.0 : static_cast<double>(sums.samples);
  const double root = samples / options_.loss_scale;
  return root * root;
}

/** tau = sum over groups of T tr A tr G. */
double KroneckerPreconditioner::trace(const Layer& l) const {
  const FactorSums& sums = l.observer->sums();
  const double count = static_cast<double>(sums.positions_a);
  double sum = 0.0;
  for (std::size_t g = 0; g < sums.traces_a.size(); ++g) {
    sum += sums.traces_a[g] / count * sums.traces_g[g] / count;
  }
  return sums.positions_per_sample * gradient_scale(sums) * sum;
}

void KroneckerPreconditioner::look(Layer& l, double damping) {
  double rows = 0.0;  // of the layer's Fisher block
  for (const KroneckerBlock& b : l.blocks) {
    rows += static_cast<double>(b.state().rows * b.state().columns);
  }
  l.decision = l.rule.look(trace(l), damping, rows);
  l.last_look = step_;
  l.look = false;
  switch (l.decision.verdict) {
    case Verdict::Refresh:
      ++l.looks.refresh;
      l.due = true;
      break;
    case Verdict::Keep:
      ++l.looks.keep;
      break;
    case Verdict::Freeze:
      ++l.looks.freeze;
      break;
  }
  decisions_.push_back({l.blocks.front().name(), step_, damping, l.decision});
  if (!options_.rule.is_fixed()) tell(decisions_.back());
  const double w1 = options_.rule.options().refresh_above;
  if (l.told || !(l.decision.share < w1)) return;
  l.told = true;
  emit(Severity::Warning, "refresh",
       label(l.blocks.front().name()) + ", step " + std::to_string(step_) +
           ": its trace is " + detail::number(l.decision.share) +
           " of the damped trace, so that no change of it can easily reach " +
           detail::number(w1) + "; it will hardly ever be refreshed");
}

void KroneckerPreconditioner::refresh(const std::vector<Direction>& directions,
                                      double damping) {
  const Places place = places(directions);
  std::vector<KroneckerBlock*> blocks;
  for (Layer& l : layers_) {
    // Thawed after zero_grad(), it has no sums: it collects in the next step.
    if (!place.has(l.weight) || l.observer->is_empty()) continue;
    const bool factors = l.observer->collects() == Collect::Factors;
    if (l.look && l.observer->collecting()) look(l, damping);
    if (!l.due || !factors) continue;
    const FactorSums& sums = l.observer->sums();
    for (std::size_t g = 0; g < l.blocks.size(); ++g) {
      l.blocks[g].take(sums.group(static_cast<std::int64_t>(g)),
                       gradient_scale(sums), damping, step_);
      blocks.push_back(&l.blocks[g]);
    }
    l.due = false;
  }
  mjolnir::refresh(blocks, step_);
  scale_shifts_.refresh(place, damping, step_);
  for (Layer& l : layers_) {
    if (!place.has(l.weight)) continue;
    for (const KroneckerBlock& b : l.blocks) {
      l.due = l.due || b.preconditioner() == Preconditioner::None;
    }
  }
}

void KroneckerPreconditioner::precondition(std::vector<Direction>& directions) {
  for (Direction& d : directions) {
    d.value = d.gradient;
    d.scale = d.gradient_scale;
    d.second_order = false;
  }
  struct Job {
    const KroneckerBlock* block;
    LayerTensors gradient, out;
    double scale;
  };
  std::vector<Use> done;
  std::vector<Job> jobs;
  std::vector<double> costs;
  std::int64_t largest = 0;
  for (const Use& use : uses(directions)) {
    const auto is_ready = [](const KroneckerBlock& b) {
      return b.preconditioner() != Preconditioner::None;
    };
    std::vector<KroneckerBlock>& blocks = use.layer->blocks;
    const bool ready = std::all_of(blocks.begin(), blocks.end(), is_ready);
    LayerTensors gradient{use.weight->gradient};
    LayerTensors out;
    for (Direction* d : {use.weight, use.bias}) {
      if (d == nullptr) continue;
      d->second_order = true;
      d->scale = 1.0;
      d->value = ready ? Tensor::empty_like(d->gradient) : Tensor();
    }
    if (!ready) {
      for (KroneckerBlock& b : blocks) {
        if (!is_ready(b))
          b.skip(step_, "there is nothing to precondition with");
      }
      continue;
    }
    out.weight = use.weight->value;
    if (use.bias != nullptr) {
      gradient.bias = use.bias->gradient;
      out.bias = use.bias->value;
    }
    done.push_back(use);
    for (const KroneckerBlock& b : blocks) {
      jobs.push_back({&b, gradient, out, use.weight->gradient_scale});
      costs.push_back(b.cost());
      largest = std::max(largest, b.scratch_bytes());
    }
  }
  std::vector<Tensor> scratch(static_cast<std::size_t>(num_threads()));
  for (Tensor& s : scratch) s = Tensor::empty({largest}, {DType::U8});
  detail::balanced_for(costs, [&](std::size_t i, std::size_t worker) {
    const Job& job = jobs[i];
    job.block->precondition(job.gradient, job.scale, job.out, scratch[worker]);
  });
  for (const Use& use : done) note_cosine(use);
  scale_shifts_.precondition(places(directions), directions);
}

void KroneckerPreconditioner::note_cosine(const Use& use) const {
  double product = 0.0, before = 0.0, after = 0.0;
  for (const Direction* d : {use.weight, use.bias}) {
    if (d == nullptr) continue;
    product += inner_product(d->value, d->gradient);
    before += inner_product(d->gradient, d->gradient);
    after += inner_product(d->value, d->value);
  }
  const double norms = std::sqrt(after) * std::sqrt(before);
  use.layer->cosine = norms > 0.0 ? product / norms : 0.0;
}

bool KroneckerPreconditioner::skip(const Direction& direction,
                                   const std::string& why) {
  for (Layer& l : layers_) {
    if (l.weight != direction.parameter && l.bias != direction.parameter) {
      continue;
    }
    l.blocks.front().skip(step_, why);
    return true;
  }
  return scale_shifts_.skip(direction.parameter, step_, why);
}

double KroneckerPreconditioner::energy(const std::vector<Direction>& directions,
                                       double damping) const {
  const Places place = places(directions);
  double sum = scale_shifts_.energy(place, directions);
  for (const Direction& d : directions) {
    if (!d.value.defined()) continue;
    const double square = d.scale * d.scale * inner_product(d.value, d.value);
    sum += d.second_order ? damping * square : square;
  }
  for (const Layer& l : layers_) {
    if (!place.has(l.weight)) continue;
    const Direction& weight = directions[place[l.weight]];
    if (!weight.value.defined()) continue;
    LayerTensors x{weight.value};
    if (l.bias && place.has(*l.bias)) {
      x.bias = directions[place[*l.bias]].value;
    }
    for (const KroneckerBlock& b : l.blocks) {
      sum += weight.scale * weight.scale * b.energy(x);
    }
  }
  return sum;
}

}  // namespace mjolnir
