#include <mjolnir/curvature/eigen_block.h>

#include <algorithm>
#include <utility>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/linalg.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/matmul.h>
#include <mjolnir/core/ops/shape.h>

#include "core/detail/dispatch.h"
#include "core/detail/finite.h"

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
    : name_(std::move(name)),
      running_average_(running_average),
      ladder_(name_) {}

bool EigenBlock::keep(long step) {
  if (ready()) ladder_.keep(step, "basis");
  return false;
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
  const bool a_is_finite = detail::is_finite(a_now);
  const bool g_is_finite = detail::is_finite(g_now);
  if (!a_is_finite) ladder_.not_finite(step, "factor A");
  if (!g_is_finite) ladder_.not_finite(step, "factor G");
  if (!a_is_finite || !g_is_finite) return keep(step);
  Tensor a = a_, g = g_;
  average(a, a_now);
  average(g, g_now);
  const auto of_a = linalg::eigh(a);
  const auto of_g = linalg::eigh(g);
  for (const auto& [side, of] :
       {std::pair{Ladder::Side::A, &of_a}, std::pair{Ladder::Side::G, &of_g}}) {
    if (!*of) ladder_.no_basis(side, step, linalg::name_of(of->status()));
  }
  if (!of_a || !of_g) return keep(step);
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
    return ladder_.not_finite(step, "the mean of the second moments");
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

void EigenBlock::visit_state(StateVisitor& visitor, const Tensor& weight) {
  ladder_.visit_state(visitor);
  visitor.integer(measured_);
  const std::int64_t rows = weight.size(0);
  const std::int64_t columns = weight.numel() / rows;
  const auto visit = [&](const char* name, Tensor& value, const Shape& shape) {
    const Tensor got = visitor.any_tensor(name, value, weight.dtype(), 2);
    visitor.require(!got.defined() || got.shape() == shape, name,
                    "is not of shape " + shape.str());
    if (visitor.loading()) value = got;
  };
  visit("a", a_, {columns, columns});
  visit("g", g_, {rows, rows});
  visit("u_a", u_a_, {columns, columns});
  visit("u_g", u_g_, {rows, rows});
  visit("s", s_, {rows, columns});
}

}  // namespace mjolnir
