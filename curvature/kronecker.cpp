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
#include "core/detail/finite.h"
#include "curvature/detail/apply.h"

namespace mjolnir {
namespace {

constexpr const char* op = "kronecker";

bool is_finite(const Tensor& x) {
  return dispatch_float(op, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    return detail::all_finite_parallel(x.data<T>(), x.numel());
  });
}

/** average = rho average + (1 - rho) scale sum. */
void blend(const Tensor& average, const Tensor& sum, double rho, double scale) {
  dispatch_float(op, sum.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* to = average.mutable_data<T>();
    const T* from = sum.data<T>();
    const T keep = static_cast<T>(rho);
    const T gain = static_cast<T>((1.0 - rho) * scale);
    parallel_for(sum.numel(), std::int64_t{1} << 15,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     to[i] = keep * to[i] + gain * from[i];
                   }
                 });
  });
}

struct Diagonal {
  double mean = 0.0;
  double largest = 0.0;
};

Diagonal diagonal_of(const Tensor& matrix, double scale) {
  const std::int64_t n = matrix.size(0);
  Diagonal d;
  dispatch_float(op, matrix.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* x = matrix.data<T>();
    for (std::int64_t i = 0; i < n; ++i) {
      const double value = scale * double{x[i * n + i]};
      d.mean += value / static_cast<double>(n);
      d.largest = std::max(d.largest, value);
    }
  });
  return d;
}

}  // namespace

KroneckerBlock::KroneckerBlock(std::string name, const CurvatureSource& source,
                               const KroneckerOptions& options)
    : options_(options), dtype_(DType::F32), ladder_(name) {
  const Tensor weight = source.curvature_weight();
  const CurvatureKind kind = source.curvature_kind();
  if (kind == CurvatureKind::Embedding || !source.has_factors()) {
    throw ValueError("[kronecker] layer " + name + " has no dense factors");
  }
  check_floating(op, weight);
  dtype_ = weight.dtype();
  if (kind == CurvatureKind::Conv2d) {
    check_rank(op, "a convolution's weight", weight, 4);
    a_.order = weight_order(weight.size(1), weight.size(2), weight.size(3));
    if (!a_.order.empty() && weight.layout() != Layout::ChannelsLast) {
      throw ValueError("[kronecker] the weight of layer " + name +
                       " is row-major; convert it with "
                       "to(Layout::ChannelsLast)");
    }
  }
  g_.size = weight.size(0);
  a_.size = g_.size == 0 ? 0 : weight.numel() / g_.size;
  state_.name = std::move(name);
  // All memory now, so that no refresh finds less of it than the first.
  for (Factor* f : {&a_, &g_}) {
    f->inverse = new_inverse(*f);
    f->next = new_inverse(*f);
    if (options_.running_average > 0.0) {
      f->average = Tensor::zeros({f->size, f->size}, {dtype_});
    }
  }
}

BlockInverse KroneckerBlock::new_inverse(const Factor& factor) const {
  BlockInverse inverse;
  inverse.blocks = cut_blocks(factor.size, options_.split_dim);
  // Whole factors stay in storage order; blocks are cut in weight order.
  if (inverse.blocks.size() > 1) inverse.order = factor.order;
  std::int64_t count = 0;
  for (const FactorBlock& b : inverse.blocks) count += b.size * b.size;
  inverse.values = Tensor::empty({count}, {dtype_, Layout::RowMajor});
  return inverse;
}

void KroneckerBlock::take_factor(Factor& factor, const Tensor& sum,
                                 double scale) {
  check_shape(op, "a factor", sum, {factor.size, factor.size});
  factor.current = sum;
  factor.scale = scale;
  if (options_.running_average > 0.0) {
    blend(factor.average, sum, averaged_ ? options_.running_average : 0.0,
          scale);
    factor.current = factor.average;
    factor.scale = 1.0;
  }
}

void KroneckerBlock::take(const FactorSums& sums, double gradient_scale,
                          double damping, long step) {
  if (sums.positions_a != sums.positions_g || sums.positions_a == 0) {
    throw ValueError(
        "[kronecker] layer " + name() + " has " +
        std::to_string(sums.positions_a) + " positions in A and " +
        std::to_string(sums.positions_g) +
        " in G; save_gradient() by hand needs the matching inputs");
  }
  const double count = static_cast<double>(sums.positions_a);
  positions_ = sums.positions_per_sample;
  finite_ = true;
  for (const auto& [label, sum] : {std::make_pair("factor A", sums.a),
                                   std::make_pair("factor G", sums.g)}) {
    if (is_finite(sum)) continue;
    ladder_.not_finite(step, label);
    finite_ = false;
  }
  state_.ladder = ladder_.counts();
  if (!finite_) {
    a_.mean = g_.mean = std::nan("");
    return;
  }
  take_factor(a_, sums.a, 1.0 / count);
  take_factor(g_, sums.g, gradient_scale / count);
  averaged_ = true;
  const Diagonal a = diagonal_of(a_.current, a_.scale);
  const Diagonal g = diagonal_of(g_.current, g_.scale);
  state_.mean_a = a_.mean = a.mean;
  state_.mean_g = g_.mean = g.mean;
  state_.damping = split_damping(options_.damping_split, damping, positions_,
                                 a.mean, g.mean);
  if (state_.damping.clamped) {
    emit(Severity::Warning, "damping",
         "layer " + name() + ", step " + std::to_string(step) +
             ": pi met its bound and is now " +
             std::to_string(state_.damping.pi));
  }
  a_.damping = std::max(state_.damping.a, damping_floor(dtype_, a.largest));
  g_.damping = std::max(state_.damping.g, damping_floor(dtype_, g.largest));
}

double KroneckerBlock::diagonal(const Factor& factor, Ladder::Side side) const {
  return factor.damping * ladder_.factor(side);
}

void refresh(const std::vector<KroneckerBlock*>& blocks, long step) {
  struct Side {
    KroneckerBlock* block;
    KroneckerBlock::Factor* factor;
    Ladder::Side side;
    bool raised = false;
  };
  std::vector<Side> sides;
  std::vector<KroneckerBlock*> failed;
  for (KroneckerBlock* b : blocks) {
    if (!b->finite_) continue;
    sides.push_back({b, &b->a_, Ladder::Side::A});
    sides.push_back({b, &b->g_, Ladder::Side::G});
  }
  while (!sides.empty()) {
    std::vector<InversionJob> jobs;
    for (const Side& s : sides) {
      InversionJob job;
      job.factor = s.factor->current;
      job.scale = s.factor->scale;
      job.diagonal = s.block->diagonal(*s.factor, s.side);
      job.inverse = &s.factor->next;
      jobs.push_back(std::move(job));
    }
    invert(jobs);
    std::vector<Side> again;
    for (std::size_t i = 0; i < sides.size(); ++i) {
      Side& s = sides[i];
      Ladder& ladder = s.block->ladder_;
      const linalg::Status status = jobs[i].status;
      if (status == linalg::Status::Ok) {
        if (!s.raised) ladder.relax(s.side);
      } else if (status == linalg::Status::NotFinite) {
        ladder.not_finite(step, "a damped factor");
        failed.push_back(s.block);
      } else if (ladder.raise(s.side, step, linalg::name_of(status))) {
        s.raised = true;
        again.push_back(s);
      } else {
        failed.push_back(s.block);
      }
    }
    sides.swap(again);
  }
  for (KroneckerBlock* b : blocks) {
    const bool lost =
        std::find(failed.begin(), failed.end(), b) != failed.end();
    b->finish(b->finite_ && !lost, step);
  }
}

void KroneckerBlock::finish(bool inverted, long step) {
  if (inverted) {
    state_.damping.a = diagonal(a_, Ladder::Side::A);
    state_.damping.g = diagonal(g_, Ladder::Side::G);
    std::swap(a_.inverse, a_.next);
    std::swap(g_.inverse, g_.next);
    state_.positions = positions_;
    state_.preconditioner = Preconditioner::Inverse;
    state_.last_refresh = step;
    ++state_.refreshes;
  } else if (state_.preconditioner == Preconditioner::Inverse) {
    ladder_.keep(step);
  } else {
    scalar_ = positions_ * (a_.mean + state_.damping.a) *
              (g_.mean + state_.damping.g);
    const bool usable = std::isfinite(scalar_) && scalar_ > 0.0;
    state_.preconditioner =
        usable ? Preconditioner::Scalar : Preconditioner::None;
    if (usable) ladder_.use_scalar(step, scalar_);
  }
  // The sums belong to the observer: keep no handle on them.
  a_.current = g_.current = Tensor();
  state_.ladder = ladder_.counts();
}

void KroneckerBlock::skip(long step, const std::string& why) {
  ladder_.skip(step, why);
  state_.ladder = ladder_.counts();
}

double KroneckerBlock::cost() const noexcept {
  const auto rows = static_cast<double>(g_.size);
  const auto columns = static_cast<double>(a_.size);
  if (state_.preconditioner != Preconditioner::Inverse) return rows * columns;
  double cost = 0.0;
  for (const FactorBlock& b : a_.inverse.blocks) {
    cost += 2.0 * rows * static_cast<double>(b.size * b.size);
  }
  for (const FactorBlock& b : g_.inverse.blocks) {
    cost += 2.0 * columns * static_cast<double>(b.size * b.size);
  }
  return cost;
}

std::int64_t KroneckerBlock::scratch_bytes() const noexcept {
  return 2 * g_.size * a_.size * static_cast<std::int64_t>(size_of(dtype_));
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
          g_.inverse, a_.inverse, static_cast<T>(scale / state_.positions), x,
          y, reinterpret_cast<T*>(scratch.mutable_data<std::uint8_t>()));
    } else {
      const T factor = static_cast<T>(scale / scalar_);
      for (std::int64_t i = 0; i < out.numel(); ++i) y[i] = factor * x[i];
    }
  });
}

Tensor KroneckerBlock::in_weight_order(const Factor& factor) const {
  if (state_.last_refresh < 0) return {};
  const Tensor dense = factor.inverse.dense();
  if (factor.order.empty() || !factor.inverse.order.empty()) return dense;
  const Tensor sorted = Tensor::empty_like(dense);
  dispatch_float(op, dtype_, [&](auto tag) {
    using T = decltype(tag);
    const auto n = static_cast<std::size_t>(factor.size);
    const T* from = dense.data<T>();
    T* to = sorted.mutable_data<T>();
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        to[i * n + j] = from[static_cast<std::size_t>(factor.order[i]) * n +
                             static_cast<std::size_t>(factor.order[j])];
      }
    }
  });
  return sorted;
}

Tensor KroneckerBlock::inverse_a() const { return in_weight_order(a_); }
Tensor KroneckerBlock::inverse_g() const { return in_weight_order(g_); }

void KroneckerBlock::put(Factor& factor, const Tensor& inverse) const {
  check_shape(op, "an inverse", inverse, {factor.size, factor.size});
  const Tensor given = inverse.to(dtype_);
  dispatch_float(op, dtype_, [&](auto tag) {
    using T = decltype(tag);
    const std::vector<std::int64_t>& order = factor.order;
    const bool to_storage = !order.empty() && factor.inverse.order.empty();
    const T* from = given.data<T>();
    T* values = factor.inverse.values.mutable_data<T>();
    for (const FactorBlock& b : factor.inverse.blocks) {
      for (std::int64_t i = 0; i < b.size; ++i) {
        for (std::int64_t j = 0; j < b.size; ++j) {
          const T x = from[(b.begin + i) * factor.size + b.begin + j];
          const std::int64_t row =
              to_storage ? order[static_cast<std::size_t>(i)] : i;
          const std::int64_t column =
              to_storage ? order[static_cast<std::size_t>(j)] : j;
          values[b.offset + row * b.size + column] = x;
        }
      }
    }
  });
}

void KroneckerBlock::set_inverses(const Tensor& a, const Tensor& g,
                                  double positions, long step) {
  put(a_, a);
  put(g_, g);
  state_.positions = positions;
  state_.preconditioner = Preconditioner::Inverse;
  state_.last_refresh = step;
}

}  // namespace mjolnir
