#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <mjolnir/core/tensor.h>
#include <mjolnir/layers/curvature.h>

namespace mjolnir::testing {

/** What a curvature check found. */
struct CurvatureCheckResult {
  bool ok = true;
  /** Largest |difference| / largest |expected| of the three comparisons. */
  double worst_error = 0.0;
  std::int64_t records = 0;  ///< Uses of the layer in the pass.
  std::string message;       ///< All of this as one line.
  explicit operator bool() const noexcept { return ok; }
};

/** Options of check_curvature(). */
struct CurvatureCheckOptions {
  /** Appears in the report. */
  std::string name = "layer";
  /** Largest error allowed; the comparisons are sums in f64. */
  double tolerance = 1e-10;
  /** Decides the projection of the output. */
  std::uint64_t seed = 1;
};

/**
 * Checks a layer with curvature, f64, against the definition. `forward` runs
 * the layer, once or more, and gives a result that depends on it; a random
 * projection of that is differentiated. From what the source showed its
 * observers, with a the input vectors (patches) and d the gradients of the
 * output, by plain loops:
 *
 * - sum d a^T is the gradient that reached curvature_weight();
 * - sum a a^T and sum d d^T are what a KroneckerObserver gathered.
 *
 * The gradients of all parameters are added to, as in any backward pass; that
 * of the weight is cleared first. Throws ValueError unless the weight is f64
 * and wants a gradient.
 */
CurvatureCheckResult check_curvature(CurvatureSource& source,
                                     const std::function<Tensor()>& forward,
                                     const CurvatureCheckOptions& options = {});

}  // namespace mjolnir::testing
