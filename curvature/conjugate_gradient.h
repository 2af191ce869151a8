#pragma once

#include <functional>

#include <mjolnir/curvature/products.h>

namespace mjolnir {

/** Options of conjugate_gradient(). */
struct ConjugateGradientOptions {
  double damping = 0.0;       ///< lambda: solves (M + lambda I) x = b.
  long max_iterations = 250;  ///< At least 1.
  double tolerance = 1e-10;   ///< Of |b - M x| / |b|.
};

/** What conjugate_gradient() found. */
struct ConjugateGradientResult {
  ParameterVector x;
  long iterations = 0;
  double residual = 0.0;   ///< |b - M x| / |b| by the recurrence.
  bool converged = false;  ///< residual <= tolerance.
};

/** v -> M v for a symmetric positive definite M. */
using MatrixProduct = std::function<ParameterVector(const ParameterVector&)>;

/**
 * Solves (M + damping I) x = b by conjugate gradients (Hestenes & Stiefel,
 * 1952) from x = 0; inner products in f64. Ends early, not converged, if M is
 * found not to be positive definite. Throws ValueError for an option out of its
 * domain.
 */
ConjugateGradientResult conjugate_gradient(
    const MatrixProduct& product, const ParameterVector& b,
    const ConjugateGradientOptions& options = {});

/**
 * (F + damping I)^-1 g: the natural gradient (Amari, 1998) of a model whose
 * Fisher matrix is never formed: what block-diagonal and factored methods
 * approximate. For small networks; an oracle for tests.
 */
ConjugateGradientResult natural_gradient(
    Module& model, Likelihood likelihood, const Batch& batch,
    const ParameterVector& gradient, FisherKind kind = FisherKind::Exact,
    const ConjugateGradientOptions& options = {});

}  // namespace mjolnir
