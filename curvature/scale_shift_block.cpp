#include <mjolnir/curvature/scale_shift_block.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include <mjolnir/core/error.h>
#include <mjolnir/curvature/damping.h>

#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "curvature/detail/label.h"
#include "curvature/detail/layer_state.h"

namespace mjolnir {
namespace {

constexpr const char* op = "scale_shift";

DType checked_dtype(const Tensor& scale) {
  check_floating(op, scale);
  return scale.dtype();
}

/** The elements in logical order. */
std::vector<double> numbers(const Tensor& x) {
  return x.to(DType::F64).to_vector<double>();
}

}  // namespace

ScaleShiftBlock::ScaleShiftBlock(std::string name, const Tensor& scale,
                                 double running_average)
    : dtype_(checked_dtype(scale)),
      running_average_(running_average),
      fisher_(static_cast<std::size_t>(scale.numel())),
      inverse_(fisher_.size()),
      ladder_(name) {
  state_.name = std::move(name);
  state_.kind = BlockKind::ScaleShift;
  state_.rows = scale.numel();
  state_.columns = 2;
}

bool ScaleShiftBlock::Pair::is_finite() const noexcept {
  return std::isfinite(scale) && std::isfinite(both) && std::isfinite(shift);
}

void ScaleShiftBlock::check(const ScaleShiftSums& sums) const {
  if (sums.samples == 0) {
    throw ValueError("[scale_shift] " + detail::label(name()) +
                     " has sums of no samples");
  }
  for (const Tensor& x :
       {sums.scale_scale, sums.scale_shift, sums.shift_shift}) {
    check_defined(op, x);
    check_shape(op, "a sum", x, {state_.rows});
  }
}

ScaleShiftBlock::Pair ScaleShiftBlock::average(const ScaleShiftSums& sums,
                                               std::size_t unit,
                                               double gain) const {
  const double rho = state_.last_refresh < 0 ? 0.0 : running_average_;
  const auto blend = [&](double old, const Tensor& now) {
    return rho * old + (1.0 - rho) * gain * now.data<double>()[unit];
  };
  const Pair& old = fisher_[unit];
  return {blend(old.scale, sums.scale_scale), blend(old.both, sums.scale_shift),
          blend(old.shift, sums.shift_shift)};
}

void ScaleShiftBlock::refuse(long step) {
  ladder_.not_finite(step, "a block of scale and shift");
  if (ready()) {
    ladder_.keep(step);
  } else {
    ladder_.use_scalar(step, 1.0);
  }
  state_.ladder = ladder_.counts();
}

void ScaleShiftBlock::take(const ScaleShiftSums& sums, double gradient_scale,
                           double damping, long step) {
  check(sums);
  const double gain = gradient_scale / static_cast<double>(sums.samples);
  for (std::size_t i = 0; i < fisher_.size(); ++i) {
    const Pair f = average(sums, i, gain);
    if (!f.is_finite()) return refuse(step);
  }
  const auto rows = static_cast<double>(state_.rows);
  double mean = 0.0;
  for (std::size_t i = 0; i < fisher_.size(); ++i) {
    const Pair f = fisher_[i] = average(sums, i, gain);
    mean += f.scale / (2.0 * rows) + f.shift / (2.0 * rows);
    const double largest = std::max(f.scale, f.shift);
    const double lambda = std::max(damping, damping_floor(dtype_, largest));
    // In units in which no product overflows.
    const double unit = std::max(largest, lambda);
    const double a = f.scale / unit, b = f.shift / unit, c = f.both / unit;
    const double l = lambda / unit;
    // (a + l)(b + l) - c^2, where a b >= c^2 but for rounding
    const double determinant = std::max(0.0, a * b - c * c) + l * (a + b + l);
    const double factor = 1.0 / (determinant * unit);
    const Pair inverse{(b + l) * factor, -c * factor, (a + l) * factor};
    inverse_[i] = inverse.is_finite() ? inverse : Pair();
  }
  state_.positions = 1.0;
  state_.mean_a = 1.0;
  state_.mean_g = mean;
  state_.damping.g = damping;
  state_.preconditioner = Preconditioner::Inverse;
  state_.last_refresh = step;
  ++state_.refreshes;
}

void ScaleShiftBlock::skip(long step, const std::string& why) {
  ladder_.skip(step, why);
  state_.ladder = ladder_.counts();
}

ScaleShiftTensors ScaleShiftBlock::precondition(
    const ScaleShiftTensors& gradient, double scale) const {
  // Units are counted in logical order.
  const Tensor of_scale = gradient.scale.to(Layout::RowMajor);
  const Tensor of_shift = gradient.shift.to(Layout::RowMajor);
  const Tensor to_scale = Tensor::empty_like(of_scale);
  const Tensor to_shift = Tensor::empty_like(of_shift);
  dispatch_float(op, dtype_, [&](auto tag) {
    using T = decltype(tag);
    const T* const from_scale = of_scale.data<T>();
    const T* const from_shift = of_shift.data<T>();
    T* const scales = to_scale.mutable_data<T>();
    T* const shifts = to_shift.mutable_data<T>();
    for (std::size_t i = 0; i < inverse_.size(); ++i) {
      const Pair& m = inverse_[i];
      const double x = scale * double{from_scale[i]};
      const double y = scale * double{from_shift[i]};
      scales[i] = static_cast<T>(m.scale * x + m.both * y);
      shifts[i] = static_cast<T>(m.both * x + m.shift * y);
    }
  });
  return {to_scale.to(gradient.scale.layout()),
          to_shift.to(gradient.shift.layout())};
}

double ScaleShiftBlock::energy(const ScaleShiftTensors& x) const {
  const std::vector<double> scales = numbers(x.scale);
  const std::vector<double> shifts = numbers(x.shift);
  double sum = 0.0;
  for (std::size_t i = 0; i < fisher_.size(); ++i) {
    const Pair& f = fisher_[i];
    sum += f.scale * scales[i] * scales[i] +
           2.0 * f.both * scales[i] * shifts[i] +
           f.shift * shifts[i] * shifts[i];
  }
  return sum;
}

void ScaleShiftBlock::visit_state(StateVisitor& visitor) {
  ladder_.visit_state(visitor);
  detail::visit_state(visitor, state_);
  const auto visit = [&](const char* name, std::vector<Pair>& pairs) {
    const Tensor all = Tensor::empty({state_.rows, 3}, {DType::F64});
    double* at = all.mutable_data<double>();
    for (const Pair& p : pairs) {
      for (const double x : {p.scale, p.both, p.shift}) *at++ = x;
    }
    visitor.tensor(name, all);
    const double* from = all.data<double>();
    for (Pair& p : pairs) {
      p = {from[0], from[1], from[2]};
      from += 3;
    }
  };
  visit("fisher", fisher_);
  visit("inverse", inverse_);
  if (visitor.loading()) state_.ladder = ladder_.counts();
}

Tensor ScaleShiftBlock::inverse() const {
  if (!ready()) return Tensor();
  std::vector<double> all;
  for (const Pair& m : inverse_) {
    all.insert(all.end(), {m.scale, m.both, m.both, m.shift});
  }
  return Tensor::from<double>(all, {state_.rows, 2, 2});
}

}  // namespace mjolnir
