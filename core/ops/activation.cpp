#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/elementwise.h>

#include "core/detail/elementwise.h"

namespace mjolnir {

using detail::piecewise;
using detail::unary;
using kernels::Unary;

Tensor relu(const Tensor& x) { return piecewise("relu", Unary::Relu, x); }

Tensor leaky_relu(const Tensor& x, double slope) {
  return piecewise("leaky_relu", Unary::LeakyRelu, x, {slope, 0.0});
}

Tensor sigmoid(const Tensor& x) {
  return unary("sigmoid", Unary::Sigmoid, x,
               [](const Tensor& y, const Tensor& dy) {
                 return mul(dy, mul(y, sub(1.0, y)));
               });
}

Tensor tanh(const Tensor& x) {
  return unary("tanh", Unary::Tanh, x, [](const Tensor& y, const Tensor& dy) {
    return mul(dy, sub(1.0, mul(y, y)));
  });
}

Tensor softplus(const Tensor& x) {
  return unary(
      "softplus", Unary::Softplus, x,
      [](const Tensor& in, const Tensor& dy) { return mul(dy, sigmoid(in)); });
}

Tensor silu(const Tensor& x) {
  return unary("silu", Unary::Silu, x, [](const Tensor& in, const Tensor& dy) {
    const Tensor s = sigmoid(in);
    return mul(dy, mul(s, add(mul(in, sub(1.0, s)), 1.0)));
  });
}

namespace {

// phi(x) = exp(-x^2 / 2) / sqrt(2 pi)
Tensor normal_density(const Tensor& x) {
  return mul(exp(mul(mul(x, x), -0.5)), 0.39894228040143267794);
}

// Phi(x), the integral of phi
Tensor normal_distribution(const Tensor& x) {
  return unary("normal_distribution", Unary::NormalDistribution, x,
               [](const Tensor& in, const Tensor& dy) {
                 return mul(dy, normal_density(in));
               });
}

}  // namespace

Tensor gelu(const Tensor& x) {
  return unary("gelu", Unary::Gelu, x, [](const Tensor& in, const Tensor& dy) {
    return mul(dy, add(normal_distribution(in), mul(in, normal_density(in))));
  });
}

}  // namespace mjolnir
