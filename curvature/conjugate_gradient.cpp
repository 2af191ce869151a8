#include <mjolnir/curvature/conjugate_gradient.h>

#include <cmath>
#include <cstddef>
#include <string>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>

#include "core/detail/number.h"

namespace mjolnir {
namespace {

double inner_product(const ParameterVector& x, const ParameterVector& y) {
  double total = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) total += sum(x[i] * y[i]).item();
  return total;
}

/** x + scale y */
ParameterVector combined(const ParameterVector& x, double scale,
                         const ParameterVector& y) {
  ParameterVector result;
  for (std::size_t i = 0; i < x.size(); ++i) {
    result.push_back(x[i] + y[i] * scale);
  }
  return result;
}

}  // namespace

ConjugateGradientResult conjugate_gradient(
    const MatrixProduct& product, const ParameterVector& b,
    const ConjugateGradientOptions& options) {
  if (options.max_iterations < 1 || !(options.damping >= 0.0) ||
      !(options.tolerance >= 0.0)) {
    throw ValueError(
        "[conjugate_gradient] expected max_iterations of at least 1, damping "
        "and tolerance of at least 0, got " +
        std::to_string(options.max_iterations) + ", " +
        detail::number(options.damping) + ", " +
        detail::number(options.tolerance));
  }
  const NoGrad no_grad;
  ConjugateGradientResult result;
  for (const Tensor& t : b) result.x.push_back(Tensor::zeros_like(t));
  ParameterVector r = b;  // b - M x
  ParameterVector p = b;
  double rr = inner_product(r, r);
  const double scale = std::sqrt(rr);
  result.converged = scale == 0.0;
  while (!result.converged && result.iterations < options.max_iterations) {
    const ParameterVector mp = combined(product(p), options.damping, p);
    const double curvature = inner_product(p, mp);
    if (!(curvature > 0.0) || !std::isfinite(curvature)) break;
    const double alpha = rr / curvature;
    result.x = combined(result.x, alpha, p);
    r = combined(r, -alpha, mp);
    const double before = rr;
    rr = inner_product(r, r);
    p = combined(r, rr / before, p);
    ++result.iterations;
    result.residual = std::sqrt(rr) / scale;
    result.converged = result.residual <= options.tolerance;
  }
  return result;
}

ConjugateGradientResult natural_gradient(
    Module& model, Likelihood likelihood, const Batch& batch,
    const ParameterVector& gradient, FisherKind kind,
    const ConjugateGradientOptions& options) {
  return conjugate_gradient(
      [&](const ParameterVector& v) {
        return fisher_vector_product(model, likelihood, batch, v, kind);
      },
      gradient, options);
}

}  // namespace mjolnir
