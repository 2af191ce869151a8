#include <mjolnir/curvature/damping.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace mjolnir {

FactorDamping split_damping(DampingSplit split, double damping,
                            double positions, double mean_a, double mean_g) {
  FactorDamping result;
  if (split == DampingSplit::Trace) {
    const double pi = std::sqrt(mean_a / mean_g);
    if (std::isfinite(mean_a) && std::isfinite(mean_g) && mean_a > 0.0 &&
        mean_g > 0.0) {
      result.pi = std::clamp(pi, 1e-6, 1e6);
      result.clamped = result.pi != pi;
    }
  }
  const double s = std::sqrt(damping / positions);
  result.a = result.pi * s;
  result.g = s / result.pi;
  return result;
}

double damping_floor(DType dtype, double largest_diagonal) {
  const double eps = dtype == DType::F32
                         ? double{std::numeric_limits<float>::epsilon()}
                         : std::numeric_limits<double>::epsilon();
  return 32.0 * eps * largest_diagonal;
}

}  // namespace mjolnir
