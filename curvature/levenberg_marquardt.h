#pragma once

#include <mjolnir/core/state.h>

namespace mjolnir {

/** Options of LevenbergMarquardt; the defaults are K-FAC's. */
struct LevenbergMarquardtOptions {
  long period = 5;       ///< Steps between adaptations, at least 1.
  double omega = 0.95;   ///< Per step, in (0, 1): omega^period at a time.
  double least = 1e-10;  ///< lambda stays in [least, most].
  double most = 1e10;
};

/**
 * Damping that follows how well the quadratic model predicts the loss
 * (Martens & Grosse, "Optimizing neural networks with Kronecker-factored
 * approximate curvature", ICML 2015, section 6.5). With
 *
 *   rho = (h(w + delta) - h(w)) / (g^T delta + 1/2 delta^T (F + lambda I)
 * delta)
 *
 * lambda shrinks by omega^period where rho > 3/4 and grows by as much where rho
 * < 1/4, or where rho is not a number.
 */
class LevenbergMarquardt {
 public:
  /** Throws ValueError for an option outside its domain, or an initial lambda
   * that is not finite and above 0. */
  LevenbergMarquardt(double initial,
                     const LevenbergMarquardtOptions& options = {});

  double damping() const noexcept { return damping_; }
  /** True if this step's rho is wanted. */
  bool measures(long step) const noexcept;
  /** Adapts lambda. `change` is h(w + delta) - h(w), `predicted` the model's.
   */
  void adapt(double change, double predicted);
  /** rho of the last adaptation; NaN before. */
  double ratio() const noexcept { return ratio_; }

  /** Shows lambda and rho. */
  void visit_state(StateVisitor& visitor);

 private:
  LevenbergMarquardtOptions options_;
  double damping_;
  double ratio_;
};

}  // namespace mjolnir
