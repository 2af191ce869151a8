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
#include "curvature/detail/layer_state.h"

namespace mjolnir {
namespace {

constexpr const char* op = "kronecker";

Tensor checked_weight(const std::string& name, const CurvatureSource& source) {
  const Tensor weight = source.curvature_weight();
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
  factor.keep = options.keep_factors;
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
  if (!options.joint_bias) return factor;
  if (!factor.order.empty()) factor.order.push_back(factor.size);
  ++factor.size;
  return factor;
}

/** G: (C_out,C_out), of a group its part, or (E,E) of an embedding. */
FactorOptions options_of_g(const CurvatureSource& source,
                           const KroneckerOptions& options) {
  const Tensor weight = source.curvature_weight();
  FactorOptions factor = shared_options(weight, options);
  factor.size = source.curvature_kind() == CurvatureKind::Embedding
                    ? weight.size(1)
                    : weight.size(0) / source.curvature_geometry().groups;
  return factor;
}

/** Copies the rows of a weight, and the bias beside them, into one matrix.
 * weight (rows, columns), bias (rows) or null, joined (rows, columns + 1) */
template <class T>
void join(std::int64_t rows, std::int64_t columns, const T* weight,
          const T* bias, T* joined) {
  for (std::int64_t i = 0; i < rows; ++i) {
    joined = std::copy_n(weight + i * columns, columns, joined);
    *joined++ = bias == nullptr ? T{0} : bias[i];
  }
}

/** The reverse; a null bias is not written. */
template <class T>
void part(std::int64_t rows, std::int64_t columns, const T* joined, T* weight,
          T* bias) {
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy_n(joined, columns, weight + i * columns);
    joined += columns;
    if (bias != nullptr) bias[i] = *joined;
    ++joined;
  }
}

}  // namespace

KroneckerBlock::KroneckerBlock(std::string name, const CurvatureSource& source,
                               const KroneckerOptions& options,
                               std::int64_t group)
    : damping_split_(options.damping_split),
      a_is_left_(source.curvature_kind() == CurvatureKind::Embedding),
      joint_bias_(options.joint_bias),
      dtype_(checked_weight(name, source).dtype()),
      group_(group),
      a_(options_of_a(source, options)),
      g_(options_of_g(source, options)),
      ladder_(name) {
  const std::int64_t groups = source.curvature_geometry().groups;
  if (group < 0 || group >= groups) {
    throw ValueError("[kronecker] expected a group of " + detail::label(name) +
                     " below " + std::to_string(groups) + ", got " +
                     std::to_string(group));
  }
  if (joint_bias_ && !source.curvature_bias().defined()) {
    throw ValueError("[kronecker] " + detail::label(name) +
                     " has no bias that could join its weight");
  }
  if (joint_bias_) {
    joint_a_ = Tensor::empty({a_.size(), a_.size()}, {dtype_});
  }
  state_.name = std::move(name);
  state_.group = group;
  state_.groups = groups;
  state_.joint_bias = joint_bias_;
  state_.rows = left().size();
  state_.columns = right().size();
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
  g_.check(sums.g);
  if (!joint_bias_) return a_.check(sums.a);
  const std::int64_t d = a_.size() - 1;
  if (sums.a.defined() && sums.a_sum.defined() &&
      sums.a.shape() == Shape{d, d} && sums.a_sum.shape() == Shape{d}) {
    return;
  }
  throw ShapeError(
      "[kronecker] expected sums of " + detail::label(name()) +
      " with a joint bias, " + Shape{d, d}.str() + " and " + Shape{d}.str() +
      ", got " + (sums.a.defined() ? sums.a.shape().str() : "none") + " and " +
      (sums.a_sum.defined() ? sums.a_sum.shape().str() : "none"));
}

Tensor KroneckerBlock::with_constant(const FactorSums& sums) {
  dispatch_float(op, dtype_, [&](auto tag) {
    using T = decltype(tag);
    const std::int64_t d = a_.size() - 1;
    const T* inputs = sums.a_sum.data<T>();
    T* to = joint_a_.mutable_data<T>();
    join(d, d, sums.a.data<T>(), inputs, to);
    to = std::copy_n(inputs, d, to + d * (d + 1));
    *to = static_cast<T>(sums.positions_a);
  });
  return joint_a_;
}

void KroneckerBlock::take(const FactorSums& sums, double gradient_scale,
                          double damping, long step) {
  check(sums);
  const double count = static_cast<double>(sums.positions_a);
  const double scale_a = 1.0 / count;
  const double scale_g = gradient_scale / count;
  const Tensor sums_a = joint_bias_ ? with_constant(sums) : sums.a;
  const bool a_is_finite = a_.accepts(sums_a, scale_a);
  const bool g_is_finite = g_.accepts(sums.g, scale_g);
  if (!a_is_finite) ladder_.not_finite(step, "factor A");
  if (!g_is_finite) ladder_.not_finite(step, "factor G");
  state_.ladder = ladder_.counts();
  finite_ = a_is_finite && g_is_finite;
  if (!finite_) return;
  positions_ = sums.positions_per_sample;
  a_.take(sums_a, scale_a);
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

void KroneckerBlock::visit_state(StateVisitor& visitor) {
  visitor.integer(finite_);
  visitor.number(scalar_);
  visitor.number(positions_);
  detail::visit_state(visitor, damping_);
  ladder_.visit_state(visitor);
  const bool inverted = detail::visit_state(visitor, state_);
  visitor.scope("a", [&] { a_.visit_state(visitor, inverted); });
  visitor.scope("g", [&] { g_.visit_state(visitor, inverted); });
  if (visitor.loading()) state_.ladder = ladder_.counts();
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
  return (joint_bias_ ? 4 : 2) * left().size() * right().size() *
         static_cast<std::int64_t>(size_of(dtype_));
}

LayerTensors KroneckerBlock::precondition(const LayerTensors& gradient,
                                          double scale) const {
  LayerTensors out{Tensor::empty_like(gradient.weight)};
  if (gradient.bias.defined()) out.bias = Tensor::empty_like(gradient.bias);
  precondition(gradient, scale, out,
               Tensor::empty({scratch_bytes()}, {DType::U8}));
  return out;
}

void KroneckerBlock::precondition(const LayerTensors& gradient, double scale,
                                  const LayerTensors& out,
                                  const Tensor& scratch) const {
  dispatch_float(op, dtype_, [&](auto tag) {
    using T = decltype(tag);
    const std::int64_t rows = left().size();
    const std::int64_t columns = right().size();
    T* room = reinterpret_cast<T*>(scratch.mutable_data<std::uint8_t>());
    // x, y (rows, columns): g and g'
    const auto divide = [&](const T* x, T* y, T* products) {
      if (state_.preconditioner == Preconditioner::Inverse) {
        detail::apply_inverses<T>(left(), right(),
                                  static_cast<T>(scale / state_.positions), x,
                                  y, products);
      } else {
        const T factor = static_cast<T>(scale / scalar_);
        for (std::int64_t i = 0; i < rows * columns; ++i) y[i] = factor * x[i];
      }
    };
    if (!joint_bias_) {
      const std::int64_t at = group_ * rows * columns;
      return divide(gradient.weight.data<T>() + at,
                    out.weight.mutable_data<T>() + at, room);
    }
    const std::int64_t at = group_ * rows;
    const std::int64_t inputs = columns - 1;
    T* x = room;
    T* y = room + rows * columns;
    join(rows, inputs, gradient.weight.data<T>() + at * inputs,
         gradient.bias.defined() ? gradient.bias.data<T>() + at : nullptr, x);
    divide(x, y, room + 2 * rows * columns);
    part(rows, inputs, y, out.weight.mutable_data<T>() + at * inputs,
         out.bias.defined() ? out.bias.mutable_data<T>() + at : nullptr);
  });
}

double KroneckerBlock::energy(const LayerTensors& x) const {
  const Factor& left = a_is_left_ ? a_ : g_;
  const Factor& right = a_is_left_ ? g_ : a_;
  const std::int64_t rows = left.size();
  const std::int64_t columns = right.size();
  double sum = 0.0;
  dispatch_float(op, dtype_, [&](auto tag) {
    using T = decltype(tag);
    const Tensor room = Tensor::empty({3, rows, columns}, {dtype_});
    T* joined = room.mutable_data<T>();
    T* product = joined + rows * columns;
    T* result = product + rows * columns;
    const std::int64_t at = group_ * rows;
    const std::int64_t inputs = joint_bias_ ? columns - 1 : columns;
    const T* weight = x.weight.data<T>() + at * inputs;
    if (joint_bias_) {
      join(rows, inputs, weight,
           x.bias.defined() ? x.bias.data<T>() + at : nullptr, joined);
      weight = joined;
    }
    left.multiply_left(columns, weight, product);
    right.multiply_right(rows, product, result);
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      sum += double{weight[i]} * double{result[i]};
    }
  });
  return positions_ * sum;
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
