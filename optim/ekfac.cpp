#include <mjolnir/optim/ekfac.h>

#include <algorithm>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>

#include "curvature/detail/label.h"
#include "optim/detail/require.h"

namespace mjolnir::optim {
namespace {

const EkfacOptions& checked(const EkfacOptions& options) {
  detail::require_fraction("ekfac", "momentum", options.momentum);
  detail::require_fraction("ekfac", "running_average", options.running_average);
  detail::require_positive("ekfac", "loss_scale", options.loss_scale);
  check("ekfac", options.step_length);
  if (options.step_length.norm_constraint > 0.0) {
    throw ValueError("[ekfac] has no norm constraint; use kl_clip");
  }
  return options;
}

/** (N / loss_scale)^2: what makes a square of a mean's gradient a sample's. */
double square_scale(std::int64_t samples, double loss_scale) {
  const double root = static_cast<double>(samples) / loss_scale;
  return root * root;
}

}  // namespace

Ekfac::Ekfac(Module& module, const EkfacOptions& options)
    : Optimizer(module, {"ekfac", options.learning_rate, options.weight_decay,
                         options.decay_filter, options.clip}),
      options_(checked(options)),
      bases_(options.frequency, RefreshRule::fixed()),
      moments_(options.moment_frequency, RefreshRule::fixed()),
      momentum_({options.momentum}, zero_state()) {
  damping();  // refuses a bad schedule
  for (const auto& [name, child] : module.named_modules()) {
    auto* source = dynamic_cast<CurvatureSource*>(child);
    if (source != nullptr && source->factors() != nullptr) {
      adopt(name, *source);
    }
  }
  if (layers_.empty()) {
    emit(Severity::Warning, "ekfac",
         "no layer has factors: every parameter is first-order; "
         "models::to_thor(module) gives factors to its layers");
  }
  plan();
}

Ekfac::~Ekfac() {
  for (const Layer& l : layers_) l.factors->collect(Collect::Nothing);
}

void Ekfac::adopt(const std::string& name, CurvatureSource& source) {
  const auto weight = source.curvature_weight().impl();
  for (std::size_t i = 0; i < list().size(); ++i) {
    if (list()[i].tensor.impl() != weight) continue;
    const bool taken =
        std::any_of(layers_.begin(), layers_.end(),
                    [&](const Layer& l) { return l.parameter == i; });
    if (taken || source.curvature_geometry().groups != 1 ||
        source.curvature_kind() == CurvatureKind::Embedding) {
      emit(Severity::Info, "ekfac",
           mjolnir::detail::label(name) +
               " is treated as first-order: it is grouped, an embedding, or "
               "shares its weight with another layer");
      break;
    }
    auto factors = std::make_shared<KroneckerObserver>();
    source.enable_factors(factors);
    layers_.push_back({i, EigenBlock(name, options_.running_average), factors,
                       nullptr, ObservationHandle(), &source});
    return;
  }
  source.collect(Collect::Nothing);  // nobody would read it
}

void Ekfac::plan() {
  for (Layer& l : layers_) {
    const bool frozen = !list()[l.parameter].tensor.requires_grad();
    const bool due = bases_.looks_at(steps()) || !l.block.ready();
    l.factors->collect(due && !frozen ? Collect::Factors : Collect::Nothing);
    if (l.moments != nullptr) {
      l.moments->collect(!due && !frozen && moments_.looks_at(steps()));
    }
  }
}

void Ekfac::zero_grad() {
  Optimizer::zero_grad();
  plan();  // some may have been frozen or thawed since the last step
}

void Ekfac::check(const std::vector<Update>& updates) const {
  for (const Layer& l : layers_) {
    const auto has_gradient = [&](const Update& u) {
      return u.index == l.parameter;
    };
    if (std::none_of(updates.begin(), updates.end(), has_gradient)) continue;
    if (l.block.ready() || !l.factors->is_empty()) continue;
    throw ValueError("[ekfac] " + mjolnir::detail::label(l.block.name()) +
                     " has a gradient but no factors; call zero_grad() before "
                     "backward(), and backward() on the loss of a batch that "
                     "is not empty, without create_graph");
  }
}

void Ekfac::watch(Layer& l) {
  if (l.moments == nullptr) {
    l.moments =
        std::make_shared<SecondMomentObserver>(l.block.u_a(), l.block.u_g());
    l.watching = l.source->observe(l.moments);
  } else {
    l.moments->set_bases(l.block.u_a(), l.block.u_g());
  }
}

void Ekfac::refresh(Layer& l) {
  const FactorSums& sums = l.factors->sums();
  if (l.factors->collecting() && !l.factors->is_empty()) {
    const double scale = square_scale(sums.samples, options_.loss_scale);
    if (l.block.refresh(sums, scale, steps())) watch(l);
  } else if (l.moments != nullptr && l.moments->samples() > 0) {
    const std::int64_t n = l.moments->samples();
    l.block.take(l.moments->sum(), n, square_scale(n, options_.loss_scale),
                 steps());
  }
}

void Ekfac::leave_alone(const Update& update) {
  for (Layer& l : layers_) {
    if (l.parameter != update.index) continue;
    return l.block.skip(steps(), "the step is not finite");
  }
  report_left_alone(update);
}

void Ekfac::step() {
  // 1. g <- g / loss_scale; clipped
  const auto updates = begin_step(1.0 / options_.loss_scale);
  const double lambda = damping();
  check(updates);
  std::vector<Direction> directions = directions_of(updates);
  for (Direction& d : directions) {
    d.value = d.gradient;
    d.scale = d.gradient_scale;
    for (Layer& l : layers_) {
      if (l.parameter != d.parameter) continue;
      // 2. U_A, U_G of A and G at a look; between looks the moments s
      refresh(l);
      d.second_order = true;
      d.scale = 1.0;
      // 3. g' = U_G ((U_G^T g U_A) / (s + lambda)) U_A^T
      d.value = l.block.ready()
                    ? l.block.precondition(d.gradient, d.gradient_scale, lambda)
                    : Tensor();
      if (!l.block.ready()) {
        l.block.skip(steps(), "there is nothing to precondition with");
      }
    }
  }
  bound_steps(options_.step_length, updates, {}, directions);
  // 4. v <- mu v + g' + wd w; w <- w - eta v
  for (const std::size_t i : momentum_.step(updates, directions)) {
    leave_alone(updates[i]);
  }
  end_step();
  plan();
}

void Ekfac::visit_state(StateVisitor& visitor) {
  Optimizer::visit_state(visitor);
  momentum_.visit_state(visitor, state_names());
  visitor.scope("blocks", [&] {
    for (Layer& l : layers_) {
      visitor.scope(l.block.name(), [&] {
        l.block.visit_state(visitor, list()[l.parameter].tensor);
      });
    }
  });
  if (!visitor.loading()) return;
  for (Layer& l : layers_) {
    l.watching = ObservationHandle();
    l.moments.reset();
    if (l.block.ready()) watch(l);
  }
  plan();
}

double Ekfac::damping() const { return value_of(options_.damping, "damping"); }

const EigenBlock& Ekfac::block(const std::string& layer) const {
  for (const Layer& l : layers_) {
    if (l.block.name() == layer) return l.block;
  }
  throw ValueError("[ekfac] no layer named " + layer + " has a block");
}

}  // namespace mjolnir::optim
