#pragma once

#include <cstdint>

#include <mjolnir/core/types.h>

namespace mjolnir {

/** How damping lambda is shared between the two factors of a layer. */
enum class DampingSplit : std::uint8_t {
  Even,   ///< pi = 1, as THOR.
  Trace,  ///< pi = sqrt((tr A / D) / (tr G / C_out)), as K-FAC.
};

/** What is added to the diagonals of A and G. */
struct FactorDamping {
  double a = 0.0;  ///< pi sqrt(lambda / T)
  double g = 0.0;  ///< sqrt(lambda / T) / pi
  double pi = 1.0;
  bool clamped = false;  ///< pi met a bound of [1e-6, 1e6].
};

/**
 * Shares `damping` (lambda) so that (A + pi s I) and (G + s / pi I) with
 * s = sqrt(lambda / T) approximate T (G kron A) + lambda I (Martens & Grosse,
 * "Optimizing neural networks with Kronecker-factored approximate curvature",
 * ICML 2015, section 6.3). `positions` is T; `mean_a` and `mean_g` are the
 * mean eigenvalues tr A / D and tr G / C_out. pi is 1 if one of them is 0 or
 * not finite.
 */
FactorDamping split_damping(DampingSplit split, double damping,
                            double positions, double mean_a, double mean_g);

/** The least damping of a factor: 32 eps times its largest diagonal entry. */
double damping_floor(DType dtype, double largest_diagonal);

}  // namespace mjolnir
