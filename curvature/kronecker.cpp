#include <mjolnir/curvature/kronecker.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/curvature/order.h>

#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/detail/number.h"
#include "curvature/detail/apply.h"
#include "curvature/detail/label.h"

namespace mjolnir {
namespace {

constexpr const char* op = "kronecker";

Tensor checked_weight(const std::string& name, const CurvatureSource& source) {
  const Tensor weight = source.curvature_weight();
  if (!source.has_factors()) {
    throw ValueError("[kronecker] " + detail::label(name) + " has no factors");
  }
  check_floating(op, weight);
  const bool image = source.curvature_kind() == CurvatureKind::Conv2d;
  check_rank(op, "the weight", weight, image ? 4 : 2);
  if (image && weight.layout() != Layout::ChannelsLast &&
      !weight_order(weight.size(1), weight.size(2), weight.size(3)).empty()) {
    throw ValueError("[kronecker] the weight of " + detail::label(name) +
                     " is row-major; convert it with "
                     "to(Layout::ChannelsLast)");
  }
  return weight;
}

FactorOptions shared_options(const Tensor& weight,
                             const KroneckerOptions& options) {
  FactorOptions factor;
  factor.split_dim = options.split_dim;
  factor.running_average = options.running_average;
  factor.dtype = weight.dtype();
  return factor;
}

/** A: (D,D) of what a row of the weight is multiplied by; (V) of ids. */
FactorOptions options_of_a(const CurvatureSource& source,
                           const KroneckerOptions& options) {
  const Tensor weight = source.curvature_weight();
  FactorOptions factor = shared_options(weight, options);
  factor.size = weight.size(1);
  if (source.curvature_kind() == CurvatureKind::Embedding) {
    factor.size = weight.size(0);
    factor.diagonal = true;
  } else if (source.curvature_kind() == CurvatureKind::Conv2d) {
    factor.size *= weight.size(2) * weight.size(3);
    factor.order = weight_order(weight.size(1), weight.size(2), weight.size(3));
  }
  return factor;
}

/** G: (C_out,C_out), or (E,E) of an embedding. */
FactorOptions options_of_g(const CurvatureSource& source,
                           const KroneckerOptions& options) {
  const Tensor weight = source.curvature_weight();
  FactorOptions factor = shared_options(weight, options);
  factor.size =
      weight.size(source.curvature_kind() == CurvatureKind::Embedding ? 1 : 0);
  return factor;
}

}  // namespace

KroneckerBlock::KroneckerBlock(std::string name, const CurvatureSource& source,
                               const KroneckerOptions& options)
    : damping_split_(options.damping_split),
      a_is_left_(source.curvature_kind() == CurvatureKind::Embedding),
      dtype_(checked_weight(name, source).dtype()),
      a_(options_of_a(source, options)),
      g_(options_of_g(source, options)),
      ladder_(name) {
  state_.name = std::move(name);
}

const BlockInverse& KroneckerBlock::left() const noexcept {
  return a_is_left_ ? a_.inverse() : g_.inverse();
}

const BlockInverse& KroneckerBlock::right() const noexcept {
  return a_is_left_ ? g_.inverse() : a_.inverse();
}

void KroneckerBlock::check(const FactorSums& sums) const {
  if (sums.positions_a != sums.positions_g || sums.positions_a == 0) {
    throw ValueError(
        "[kronecker] " + detail::label(name()) + " has " +
        std::to_string(sums.positions_a) + " positions in A and " +
        std::to_string(sums.positions_g) +
        " in G; save_gradient() by hand needs the matching inputs");
  }
  a_.check(sums.a);
  g_.check(sums.g);
}

void KroneckerBlock::take(const FactorSums& sums, double gradient_scale,
                          double damping, long step) {
  check(sums);
  const double count = static_cast<double>(sums.positions_a);
  const double scale_a = 1.0 / count;
  const double scale_g = gradient_scale / count;
  const bool a_is_finite = a_.accepts(sums.a, scale_a);
  const bool g_is_finite = g_.accepts(sums.g, scale_g);
  if (!a_is_finite) ladder_.not_finite(step, "factor A");
  if (!g_is_finite) ladder_.not_finite(step, "factor G");
  state_.ladder = ladder_.counts();
  finite_ = a_is_finite && g_is_finite;
  if (!finite_) return;
  positions_ = sums.positions_per_sample;
  a_.take(sums.a, scale_a);
  g_.take(sums.g, scale_g);
  damping_ =
      split_damping(damping_split_, damping, positions_, a_.mean(), g_.mean());
  if (damping_.clamped) {
    emit(Severity::Warning, "damping",
         detail::label(name()) + ", step " + std::to_string(step) +
             ": pi met its bound and is now " + detail::number(damping_.pi));
  }
  a_.set_damping(damping_.a);
  g_.set_damping(damping_.g);
}

double KroneckerBlock::diagonal(const Factor& factor, Ladder::Side side) const {
  return factor.damping() * ladder_.factor(side);
}

void refresh(const std::vector<KroneckerBlock*>& blocks, long step) {
  struct Side {
    KroneckerBlock* block;
    Factor* factor;
    Ladder::Side side;
    bool raised = false;
    bool failed = false;
  };
  std::vector<Side> sides;
  for (KroneckerBlock* b : blocks) {
    if (!b->finite_) continue;
    sides.push_back({b, &b->a_, Ladder::Side::A});
    sides.push_back({b, &b->g_, Ladder::Side::G});
  }
  std::vector<Side*> pending;
  for (Side& s : sides) pending.push_back(&s);
  while (!pending.empty()) {
    std::vector<InversionJob> jobs;
    for (const Side* s : pending) {
      jobs.push_back(s->factor->job(s->block->diagonal(*s->factor, s->side)));
    }
    invert(jobs);
    std::vector<Side*> again;
    for (std::size_t i = 0; i < pending.size(); ++i) {
      Side& s = *pending[i];
      Ladder& ladder = s.block->ladder_;
      const linalg::Status status = jobs[i].status;
      if (status == linalg::Status::Ok) continue;
      if (status == linalg::Status::NotFinite) {
        ladder.not_finite(step, "a damped factor");
        s.failed = true;
      } else if (ladder.raise(s.side, step, linalg::name_of(status))) {
        s.raised = true;
        again.push_back(&s);
      } else {
        s.failed = true;
      }
    }
    pending.swap(again);
  }
  for (KroneckerBlock* b : blocks) {
    const auto lost = [b](const Side& s) { return s.block == b && s.failed; };
    const bool good =
        b->finite_ && std::none_of(sides.begin(), sides.end(), lost);
    b->finish(good, step);
    if (!good) continue;
    for (const Side& s : sides) {
      if (s.block == b && !s.raised) b->ladder_.relax(s.side);
    }
  }
}

void KroneckerBlock::finish(bool inverted, long step) {
  if (inverted) {
    a_.accept();
    g_.accept();
    state_.positions = positions_;
    state_.mean_a = a_.mean();
    state_.mean_g = g_.mean();
    state_.damping = damping_;
    state_.damping.a = diagonal(a_, Ladder::Side::A);
    state_.damping.g = diagonal(g_, Ladder::Side::G);
    state_.preconditioner = Preconditioner::Inverse;
    state_.last_refresh = step;
    ++state_.refreshes;
  } else if (state_.preconditioner == Preconditioner::Inverse) {
    ladder_.keep(step);
  } else {
    scalar_ = positions_ * (a_.mean() + damping_.a) * (g_.mean() + damping_.g);
    const bool usable = finite_ && std::isfinite(scalar_) && scalar_ > 0.0;
    state_.preconditioner =
        usable ? Preconditioner::Scalar : Preconditioner::None;
    if (usable) ladder_.use_scalar(step, scalar_);
  }
  a_.done();
  g_.done();
  state_.ladder = ladder_.counts();
}

void KroneckerBlock::skip(long step, const std::string& why) {
  ladder_.skip(step, why);
  state_.ladder = ladder_.counts();
}

double KroneckerBlock::cost() const noexcept {
  const auto rows = static_cast<double>(left().size());
  const auto columns = static_cast<double>(right().size());
  double cost = rows * columns;
  if (state_.preconditioner != Preconditioner::Inverse) return cost;
  for (const FactorBlock& b : right().blocks) {
    cost += 2.0 * rows * static_cast<double>(b.size * b.size);
  }
  for (const FactorBlock& b : left().blocks) {
    cost += 2.0 * columns * static_cast<double>(b.size * b.size);
  }
  return cost;
}

std::int64_t KroneckerBlock::scratch_bytes() const noexcept {
  return 2 * left().size() * right().size() *
         static_cast<std::int64_t>(size_of(dtype_));
}

Tensor KroneckerBlock::precondition(const Tensor& gradient,
                                    double scale) const {
  const Tensor out = Tensor::empty_like(gradient);
  precondition(gradient, scale, out,
               Tensor::empty({scratch_bytes()}, {DType::U8}));
  return out;
}

void KroneckerBlock::precondition(const Tensor& gradient, double scale,
                                  const Tensor& out,
                                  const Tensor& scratch) const {
  dispatch_float(op, dtype_, [&](auto tag) {
    using T = decltype(tag);
    const T* x = gradient.data<T>();
    T* y = out.mutable_data<T>();
    if (state_.preconditioner == Preconditioner::Inverse) {
      detail::apply_inverses<T>(
          left(), right(), static_cast<T>(scale / state_.positions), x, y,
          reinterpret_cast<T*>(scratch.mutable_data<std::uint8_t>()));
    } else {
      const T factor = static_cast<T>(scale / scalar_);
      for (std::int64_t i = 0; i < out.numel(); ++i) y[i] = factor * x[i];
    }
  });
}

Tensor KroneckerBlock::inverse_a() const {
  return state_.last_refresh < 0 ? Tensor() : a_.inverse_in_weight_order();
}

Tensor KroneckerBlock::inverse_g() const {
  return state_.last_refresh < 0 ? Tensor() : g_.inverse_in_weight_order();
}

void KroneckerBlock::set_inverses(const Tensor& a, const Tensor& g,
                                  double positions, long step) {
  if (!(positions > 0.0) || !std::isfinite(positions)) {
    throw ValueError(
        "[kronecker] expected positions (T) above 0 and finite, "
        "got " +
        detail::number(positions));
  }
  a_.check(a);
  g_.check(g);
  a_.set_inverse(a);
  g_.set_inverse(g);
  state_.positions = positions;
  state_.preconditioner = Preconditioner::Inverse;
  state_.last_refresh = step;
}

}  // namespace mjolnir
