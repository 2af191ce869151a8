#include <mjolnir/curvature/eigen_block.h>

#include <algorithm>
#include <utility>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/events.h>
#include <mjolnir/core/linalg.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/matmul.h>
#include <mjolnir/core/ops/shape.h>

#include "core/detail/dispatch.h"
#include "core/detail/finite.h"
#include "curvature/detail/label.h"

namespace mjolnir {
namespace {

/** Copies the numbers of x in memory order, whatever its layout is called. */
void copy_memory(const Tensor& x, const Tensor& y) {
  dispatch_float("eigen_block", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    std::copy_n(x.data<T>(), x.numel(), y.mutable_data<T>());
  });
}

/** x / (s + damping), and 0 where that is no number. */
void divide(const Tensor& x, const Tensor& s, double damping) {
  dispatch_float("eigen_block", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* values = x.mutable_data<T>();
    const T* moments = s.data<T>();
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const T denominator = moments[i] + static_cast<T>(damping);
      values[i] = denominator > T{0} ? values[i] / denominator : T{0};
    }
  });
}

/** positions * g a^T of two vectors, not below 0. */
Tensor outer(const Tensor& g, const Tensor& a, double positions) {
  const Tensor product =
      matmul(reshape(g, {g.numel(), 1}), reshape(a, {1, a.numel()})) *
      positions;
  return maximum(product, Tensor::zeros(product.shape(), {product.dtype()}));
}

}  // namespace

EigenBlock::EigenBlock(std::string name, double running_average)
    : name_(std::move(name)), running_average_(running_average) {}

void EigenBlock::report(long step, const std::string& what) const {
  emit(Severity::Warning, "ladder",
       detail::label(name_) + ", step " + std::to_string(step) + ": " + what);
}

void EigenBlock::average(Tensor& old, const Tensor& now) const {
  old = old.defined() ? old * running_average_ + now * (1.0 - running_average_)
                      : now;
}

bool EigenBlock::refresh(const FactorSums& sums, double gradient_scale,
                         long step) {
  const NoGrad no_grad;
  const auto count = static_cast<double>(sums.positions_a);
  const Tensor a_now = sums.a * (1.0 / count);
  const Tensor g_now = sums.g * (gradient_scale / count);
  if (!detail::is_finite(a_now) || !detail::is_finite(g_now)) {
    report(step, "a factor is not finite; the last basis stays in use");
    return false;
  }
  Tensor a = a_, g = g_;
  average(a, a_now);
  average(g, g_now);
  const auto of_a = linalg::eigh(a);
  const auto of_g = linalg::eigh(g);
  if (!of_a || !of_g) {
    const linalg::Status status = of_a ? of_g.status() : of_a.status();
    report(step, std::string("a factor is ") + linalg::name_of(status) +
                     "; the last basis stays in use");
    return false;
  }
  a_ = a;
  g_ = g;
  u_a_ = of_a->vectors;
  u_g_ = of_g->vectors;
  s_ = outer(of_g->values, of_a->values, sums.positions_per_sample);
  measured_ = false;
  return true;
}

void EigenBlock::take(const Tensor& moments, std::int64_t samples,
                      double gradient_scale, long step) {
  const NoGrad no_grad;
  const Tensor now = moments * (gradient_scale / static_cast<double>(samples));
  if (!detail::is_finite(now)) {
    return report(step, "second moments are not finite; they are not taken");
  }
  if (!measured_) s_ = Tensor();
  average(s_, now);
  measured_ = true;
}

Tensor EigenBlock::precondition(const Tensor& gradient, double scale,
                                double damping) const {
  const NoGrad no_grad;
  const Tensor g = Tensor::empty(s_.shape(), {gradient.dtype()});
  copy_memory(gradient, g);
  // (O,D) = U_G^T (O,O) g (O,D) U_A (D,D)
  const Tensor inner =
      linalg::matmul(linalg::matmul(u_g_, g, true, false), u_a_);
  divide(inner, s_, damping);
  const Tensor outer =
      linalg::matmul(linalg::matmul(u_g_, inner), u_a_, false, true) * scale;
  const Tensor out = Tensor::empty_like(gradient);
  copy_memory(outer, out);
  return out;
}

}  // namespace mjolnir
