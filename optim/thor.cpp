#include <mjolnir/optim/thor.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/core/threads.h>

#include "core/detail/dispatch.h"
#include "curvature/detail/balance.h"
#include "curvature/detail/label.h"
#include "optim/detail/require.h"
#include "optim/kernels/layer_norm.h"
#include "optim/kernels/momentum.h"
#include "optim/kernels/sums.h"

namespace mjolnir::optim {
namespace {

ThorOptions checked(ThorOptions options) {
  detail::require_fraction("thor", "momentum", options.momentum);
  detail::require_positive("thor", "loss_scale", options.loss_scale);
  detail::require_fraction("thor", "running_average", options.running_average);
  detail::require_at_least_zero("thor", "kl_clip", options.kl_clip);
  if (options.frequency < 1) {
    throw ValueError("[thor] expected frequency of at least 1, got " +
                     std::to_string(options.frequency));
  }
  const bool parity = options.statistics == ThorStatistics::MindSporeGpu;
  if (!options.split_dim) options.split_dim = parity ? 128 : 0;
  if (*options.split_dim < 0) {
    throw ValueError("[thor] expected split_dim of at least 0, got " +
                     std::to_string(*options.split_dim));
  }
  return options;
}

double inner_product(const Tensor& x, const Tensor& y) {
  return dispatch_float("thor", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    return kernels::dot(x.numel(), x.data<T>(), y.data<T>());
  });
}

}  // namespace

/** Counts the samples of a window; a sample once per backward pass. */
class Thor::SampleCounter final : public CurvatureObserver {
 public:
  void record(const CurvatureRecord& record) override {
    if (record.pass != pass_) in_pass_ = 0;
    pass_ = record.pass;
    if (record.samples <= in_pass_) return;
    samples_ += record.samples - in_pass_;
    in_pass_ = record.samples;
  }
  void clear() override { samples_ = in_pass_ = 0; }
  std::int64_t samples() const noexcept { return samples_; }

 private:
  std::uint64_t pass_ = 0;
  std::int64_t in_pass_ = 0;
  std::int64_t samples_ = 0;
};

Thor::Thor(Module& module, const ThorOptions& options)
    : Optimizer(module, {"thor", options.learning_rate, options.weight_decay,
                         options.decay_filter, options.clip}),
      options_(checked(options)),
      rule_(options.frequency) {
  adopt_layers(module);
}

Thor::Thor(Module& module, const std::vector<ParameterGroup>& groups,
           const ThorOptions& options)
    : Optimizer(module, groups,
                {"thor", options.learning_rate, options.weight_decay,
                 options.decay_filter, options.clip}),
      options_(checked(options)),
      rule_(options.frequency) {
  adopt_layers(module);
}

Thor::~Thor() {
  for (const Layer& l : layers_) l.observer->collect(Collect::Nothing);
}

void Thor::adopt_layers(Module& module) {
  damping();  // refuses a bad schedule
  velocity_ = options_.momentum != 0.0 ? zero_state()
                                       : std::vector<Tensor>(list().size());
  norms_.assign(list().size(), 0);
  const bool parity = options_.statistics == ThorStatistics::MindSporeGpu;
  std::vector<CurvatureSource*> sources;
  for (const auto& [name, child] : module.named_modules()) {
    const auto* norm = dynamic_cast<const LayerNorm*>(child);
    if (parity && norm != nullptr) adopt_norm(*norm);
    auto* source = dynamic_cast<CurvatureSource*>(child);
    if (source == nullptr) continue;
    sources.push_back(source);
    if (!adopt(name, *source) && source->factors() != nullptr) {
      source->collect(Collect::Nothing);  // nobody would read it
    }
  }
  if (layers_.empty()) {
    emit(Severity::Warning, "thor",
         "no layer has factors: all parameters follow plain momentum; "
         "models::to_thor(module) gives factors to its layers");
  }
  const bool has_norms = std::count(norms_.begin(), norms_.end(), 1) > 0;
  if (options_.loss_reduction == LossReduction::Sum || has_norms) {
    counter_ = std::make_shared<SampleCounter>();
    for (CurvatureSource* source : sources) {
      counting_.push_back(source->observe(counter_));
    }
  }
  plan_looks();
  collect_due();
}

bool Thor::adopt(const std::string& name, CurvatureSource& source) {
  const auto first_order = [&](const std::string& why) {
    emit(Severity::Info, "thor",
         mjolnir::detail::label(name) + " is treated as first-order: " + why);
    return false;
  };
  const auto weight = source.curvature_weight().impl();
  const auto same = [&](const Parameter& p) {
    return p.tensor.impl() == weight;
  };
  const auto place = std::find_if(list().begin(), list().end(), same);
  if (place == list().end()) return false;  // not ours to move
  if (!source.has_factors()) return first_order("it is a grouped convolution");
  if (source.factors() == nullptr) return false;  // dormant
  const auto index = static_cast<std::size_t>(place - list().begin());
  for (const Layer& l : layers_) {
    if (l.parameter != index) continue;
    return first_order("its weight belongs to " +
                       mjolnir::detail::label(l.block.name()) + " too");
  }
  KroneckerOptions kronecker;
  kronecker.damping_split = options_.damping_split;
  kronecker.running_average = options_.running_average;
  kronecker.split_dim = *options_.split_dim;
  std::shared_ptr<FactorObserver> observer;
  if (options_.statistics == ThorStatistics::MindSporeGpu) {
    observer = std::make_shared<BatchMeanObserver>();
  } else {
    observer = std::make_shared<KroneckerObserver>();
  }
  KroneckerBlock block(name, source, kronecker);
  source.enable_factors(observer);
  layers_.push_back({observer, index, std::move(block), false});
  return true;
}

void Thor::adopt_norm(const LayerNorm& norm) {
  for (std::size_t i = 0; i < list().size(); ++i) {
    const auto& parameter = list()[i].tensor.impl();
    if (parameter == norm.weight.impl() || parameter == norm.bias.impl()) {
      norms_[i] = 1;
    }
  }
}

void Thor::plan_looks() {
  for (Layer& l : layers_) l.due = l.due || rule_.looks_at(steps());
}

void Thor::collect_due() {
  for (const Layer& l : layers_) {
    const bool frozen = !list()[l.parameter].tensor.requires_grad();
    l.observer->collect(l.due && !frozen ? Collect::Factors : Collect::Nothing);
  }
}

void Thor::zero_grad() {
  Optimizer::zero_grad();
  collect_due();  // some may have been frozen or thawed since the last step
}

void Thor::step() {
  std::vector<Direction> directions;
  for (Update& u : begin_step(gradient_scale())) {
    directions.emplace_back();
    directions.back().update = std::move(u);
  }
  const double lambda = damping();
  find_layers(directions);
  check_sums(directions);
  // Nothing is refused from here on. The numbers are those of docs/thor.md.
  // 1. g <- g / loss_scale, and / N of a sum over samples; clipped
  //    (update.gradient times update.gradient_scale)
  // 2. Ahat = A + pi sqrt(lambda/T) I, Ghat = G + sqrt(lambda/T)/pi I
  refresh_due(directions, lambda);
  // 3. g' = 1/T Ghat^-1 g Ahat^-1
  precondition(directions, lambda);
  // 3b. g' <- min(1, sqrt(kappa / (eta^2 |sum <g', g>|))) g'
  if (options_.kl_clip > 0.0) clip_kl(directions);
  // 4. and 5. find 1 / max(1, |g' + wd w|), which move() multiplies by
  if (options_.enable_clip_grad) clip_norms(directions);
  make_velocities(directions);  // no more memory is needed after this
  // 4. to 6. g' <- g' + wd w, clipped; v <- mu v + g'; w <- w - eta v
  for (const Direction& d : directions) move(d);
  end_step();
  plan_looks();
  collect_due();
}

double Thor::gradient_scale() const {
  const bool sum = options_.loss_reduction == LossReduction::Sum;
  if (counter_ == nullptr) return 1.0 / options_.loss_scale;
  if (counter_->samples() == 0) {
    throw ValueError(
        std::string("[thor] ") +
        (sum ? "a sum-reduced loss is divided by the number of samples"
             : "MindSpore's rule for LayerNorm needs the number of samples") +
        ", but no layer with curvature saw any; call zero_grad() before "
        "backward()");
  }
  const auto samples = static_cast<double>(counter_->samples());
  return 1.0 / (options_.loss_scale * (sum ? samples : 1.0));
}

void Thor::find_layers(std::vector<Direction>& directions) {
  std::unordered_map<std::size_t, Layer*> by_parameter;
  for (Layer& l : layers_) by_parameter[l.parameter] = &l;
  for (Direction& d : directions) {
    const auto found = by_parameter.find(d.update.index);
    if (found != by_parameter.end()) d.layer = found->second;
  }
}

void Thor::check_sums(const std::vector<Direction>& directions) const {
  const Layer* without = nullptr;
  bool some = false;
  for (const Direction& d : directions) {
    if (d.layer == nullptr || !d.layer->due) continue;
    if (d.layer->observer->is_empty()) {
      if (without == nullptr && d.layer->observer->collecting()) {
        without = d.layer;
      }
    } else {
      d.layer->block.check(d.layer->observer->sums());
      some = true;
    }
  }
  if (some || without == nullptr) return;
  throw ValueError(
      "[thor] " + mjolnir::detail::label(without->block.name()) +
      " has a gradient but no factors; call zero_grad() before backward(), and "
      "backward() on the loss of a batch that is not empty, without "
      "create_graph");
}

void Thor::refresh_due(const std::vector<Direction>& directions,
                       double damping) {
  std::vector<KroneckerBlock*> blocks;
  for (const Direction& d : directions) {
    if (d.layer == nullptr || !d.layer->due) continue;
    // Thawed after zero_grad(), it has no factors: it collects in the next
    // step.
    if (d.layer->observer->is_empty()) continue;
    const FactorSums& sums = d.layer->observer->sums();
    // mean: (N / loss_scale)^2 S_G / P; sum: S_G / (P loss_scale^2)
    double root = 1.0 / options_.loss_scale;
    if (options_.loss_reduction == LossReduction::Mean) {
      root *= static_cast<double>(sums.samples);
    }
    d.layer->block.take(sums, root * root, damping, steps());
    blocks.push_back(&d.layer->block);
    d.layer->due = false;
  }
  refresh(blocks, steps());
  for (const Direction& d : directions) {
    if (d.layer == nullptr) continue;
    d.layer->due =
        d.layer->due || d.layer->block.preconditioner() == Preconditioner::None;
  }
}

void Thor::first_order(Direction& d, double damping) const {
  if (norms_[d.update.index] == 0) {
    d.value = d.update.gradient;
    d.scale = d.update.gradient_scale;
    return;
  }
  d.value = Tensor::empty_like(d.update.gradient);
  dispatch_float("thor", d.value.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::divide_by_own_square(d.value.numel(), d.update.gradient.data<T>(),
                                  static_cast<T>(d.update.gradient_scale),
                                  static_cast<T>(counter_->samples()),
                                  static_cast<T>(std::sqrt(damping)),
                                  d.value.mutable_data<T>());
  });
}

void Thor::precondition(std::vector<Direction>& directions,
                        double damping) const {
  std::vector<Direction*> second_order;
  std::vector<double> costs;
  std::int64_t largest = 0;
  for (Direction& d : directions) {
    if (d.layer == nullptr) {
      first_order(d, damping);
    } else if (d.layer->block.preconditioner() == Preconditioner::None) {
      d.layer->block.skip(steps(), "there is nothing to precondition with");
    } else {
      second_order.push_back(&d);
      costs.push_back(d.layer->block.cost());
      d.value = Tensor::empty_like(d.update.gradient);
      largest = std::max(largest, d.layer->block.scratch_bytes());
    }
  }
  std::vector<Tensor> scratch(static_cast<std::size_t>(num_threads()));
  for (Tensor& s : scratch) s = Tensor::empty({largest}, {DType::U8});
  mjolnir::detail::balanced_for(costs, [&](std::size_t i, std::size_t worker) {
    const Direction& d = *second_order[i];
    d.layer->block.precondition(d.update.gradient, d.update.gradient_scale,
                                d.value, scratch[worker]);
  });
  for (const Direction* d : second_order) {
    const double norms =
        std::sqrt(inner_product(d->value, d->value)) *
        std::sqrt(inner_product(d->update.gradient, d->update.gradient));
    d->layer->cosine =
        norms > 0.0 ? inner_product(d->value, d->update.gradient) / norms : 0.0;
  }
}

void Thor::clip_kl(std::vector<Direction>& directions) const {
  double sum = 0.0;  // eta^2 <g', g>
  for (const Direction& d : directions) {
    if (!d.value.defined()) continue;
    const double eta = d.update.learning_rate;
    sum += eta * eta * d.scale * d.update.gradient_scale *
           inner_product(d.value, d.update.gradient);
  }
  if (sum == 0.0 || !std::isfinite(sum)) return;
  const double nu = std::min(1.0, std::sqrt(options_.kl_clip / std::abs(sum)));
  for (Direction& d : directions) d.scale *= nu;
}

void Thor::clip_norms(std::vector<Direction>& directions) const {
  for (Direction& d : directions) {
    if (!d.value.defined()) continue;
    const Tensor& w = d.update.parameter;
    const double decay = d.update.weight_decay;
    // |s g' + decay w|^2 from its three inner products
    const double square = d.scale * d.scale * inner_product(d.value, d.value) +
                          2.0 * d.scale * decay * inner_product(d.value, w) +
                          decay * decay * inner_product(w, w);
    d.clip = 1.0 / std::max(1.0, std::sqrt(std::max(0.0, square)));
  }
}

void Thor::make_velocities(const std::vector<Direction>& directions) {
  if (options_.momentum == 0.0) return;
  for (const Direction& d : directions) {
    Tensor& v = velocity_[d.update.index];
    if (!v.defined()) v = Tensor::zeros_like(d.update.parameter);
  }
}

void Thor::move(const Direction& d) {
  if (!d.value.defined()) return;
  const Tensor& w = d.update.parameter;
  const Tensor& v = velocity_[d.update.index];
  dispatch_float("thor", w.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const std::int64_t n = w.numel();
    const T* g = d.value.data<T>();
    T* velocity = v.defined() ? v.mutable_data<T>() : nullptr;
    kernels::MomentumStep<T> s;
    s.learning_rate = static_cast<T>(d.update.learning_rate);
    s.momentum = static_cast<T>(options_.momentum);
    s.carry = s.momentum;
    s.weight_decay = static_cast<T>(d.update.weight_decay);
    s.gradient_scale = static_cast<T>(d.scale);
    s.scale = static_cast<T>(d.clip);
    s.nesterov = options_.nesterov;
    if (kernels::momentum_step_is_finite(n, w.data<T>(), g, velocity, s)) {
      kernels::momentum_step(n, w.mutable_data<T>(), g, velocity, s);
    } else if (d.layer != nullptr) {
      d.layer->block.skip(steps(), "the step is not finite");
    } else {
      emit(Severity::Warning, "thor",
           "parameter " + list()[d.update.index].name + ", step " +
               std::to_string(steps()) +
               ": the step is not finite; the tensor is left alone");
    }
  });
}

double Thor::damping() const { return value_of(options_.damping, "damping"); }

std::vector<LayerCurvature> Thor::curvature() const {
  std::vector<LayerCurvature> all;
  for (const Layer& l : layers_) {
    all.push_back(l.block.state());
    all.back().cosine = l.cosine;
  }
  return all;
}

std::size_t Thor::index_of(const std::string& layer) const {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (layers_[i].block.name() == layer) return i;
  }
  throw ValueError("[thor] no layer named " + layer + " has factors");
}

Tensor Thor::inverse_a(const std::string& layer) const {
  return layers_[index_of(layer)].block.inverse_a();
}

Tensor Thor::inverse_g(const std::string& layer) const {
  return layers_[index_of(layer)].block.inverse_g();
}

void Thor::set_inverses(const std::string& layer, const Tensor& a,
                        const Tensor& g, double positions) {
  Layer& l = layers_[index_of(layer)];
  l.block.set_inverses(a, g, positions, steps());
  l.due = false;
  l.observer->collect(Collect::Nothing);
}

long Thor::refreshes() const noexcept {
  long sum = 0;
  for (const Layer& l : layers_) sum += l.block.state().refreshes;
  return sum;
}

}  // namespace mjolnir::optim
