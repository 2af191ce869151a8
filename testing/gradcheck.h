#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>

namespace mjolnir::testing {

/** A function of tensors whose gradient is to be checked. It must give the
 * same result each time it is called with the same values. */
using CheckedFunction = std::function<Tensor(const std::vector<Tensor>&)>;

/** Options of check_gradients(). */
struct GradcheckOptions {
  /** Appears in the report. */
  std::string name = "function";
  /** Largest |error| allowed, times max(1, |gradient|). */
  double tolerance = 1e-6;
  /** Step of the central differences, times max(1, |x|): the cube root of the
   * f64 rounding error balances rounding against curvature. */
  double step = 6e-6;
  /** Elements to try of each input, drawn at random; 0 tries all. */
  std::int64_t max_elements = 0;
  /** Inputs that are passed on but not differentiated. */
  std::vector<std::size_t> fixed = {};
  /** Decides the projection of the output and the elements drawn. */
  std::uint64_t seed = 1;
};

/** What a gradient check found. */
struct GradcheckResult {
  bool ok = true;
  /** Largest |error| / max(1, |gradient|). */
  double worst_error = 0.0;
  std::size_t input = 0;     ///< Where that is: the input,
  std::int64_t element = 0;  ///< its element in memory order,
  std::string index;         ///< its logical index, "(0,2,1)",
  double analytic = 0.0;     ///< the gradient by backward,
  double numeric = 0.0;      ///< and by central differences.
  std::int64_t checked = 0;  ///< Elements compared.
  std::string message;       ///< All of this as one line.
  explicit operator bool() const noexcept { return ok; }
};

/**
 * Compares the gradient of a random projection of f(inputs) with central
 * differences, for every f64 input that is not listed as fixed; other dtypes
 * are passed on. Inputs keep their layout and are not changed. Throws
 * ValueError unless the result is f64 and some input is.
 */
GradcheckResult check_gradients(const CheckedFunction& f,
                                const std::vector<Tensor>& inputs,
                                const GradcheckOptions& options = {});

/**
 * The same for the gradient itself, as a function of the inputs and of the
 * gradient that arrives: the gradient computed without create_graph is
 * differenced, the one computed with it is differentiated.
 */
GradcheckResult check_gradients_of_gradients(
    const CheckedFunction& f, const std::vector<Tensor>& inputs,
    const GradcheckOptions& options = {});

}  // namespace mjolnir::testing
