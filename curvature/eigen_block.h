#pragma once

#include <string>

#include <mjolnir/core/state.h>
#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/ladder.h>
#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/factors.h>

namespace mjolnir {

/**
 * One layer's Fisher block in the eigenbasis of its Kronecker factors,
 * F ~ (U_G kron U_A) diag(s) (U_G kron U_A)^T + lambda I, and how to divide by
 * it: g' = U_G ((U_G^T g U_A) / (s + lambda)) U_A^T with g viewed as (C_out, D)
 * (George et al., "Fast approximate natural gradient descent in a
 * Kronecker-factored eigenbasis", NeurIPS 2018). s are the second moments of
 * the samples' gradients in that basis; until some were taken, the eigenvalues
 * of T (G kron A). Works on the storage order of the weight.
 */
class EigenBlock {
 public:
  /** Running averages: M <- rho M + (1 - rho) M_now, of the factors and of s.
   */
  EigenBlock(std::string name, double running_average);

  const std::string& name() const noexcept { return name_; }
  /**
   * Takes the window's sums, A = S_A / P and G = gradient_scale S_G / P, and
   * makes their eigenvectors the basis; s starts anew. False, with the last
   * basis in place, if the factors are not finite or their eigenvectors do not
   * converge or are wrong; the ladder says why.
   */
  bool refresh(const FactorSums& sums, double gradient_scale, long step);
  /** s <- rho s + (1 - rho) gradient_scale moments / samples, the first time in
   * a basis s_now itself. moments (C_out,D) as SecondMomentObserver sums them;
   * what is not finite is not taken, and the ladder says so. */
  void take(const Tensor& moments, std::int64_t samples, double gradient_scale,
            long step);

  /** Counts and reports that the weight is left alone in this step. */
  void skip(long step, const std::string& why) { ladder_.skip(step, why); }
  /** What went wrong so far, each with an event of topic "ladder". */
  const LadderCounts& ladder() const noexcept { return ladder_.counts(); }

  bool ready() const noexcept { return s_.defined(); }
  const Tensor& u_a() const noexcept { return u_a_; }  ///< (D,D), in columns.
  const Tensor& u_g() const noexcept { return u_g_; }  ///< (C_out,C_out)
  const Tensor& s() const noexcept { return s_; }      ///< (C_out,D)

  /** scale F^-1 g, shaped and laid out as `gradient`. Needs ready(). An element
   * whose s + lambda is 0 gives 0. */
  Tensor precondition(const Tensor& gradient, double scale,
                      double damping) const;

  /** Shows the averages, the basis and the moments in it; `weight` is the
   * layer's. */
  void visit_state(StateVisitor& visitor, const Tensor& weight);

 private:
  void average(Tensor& old, const Tensor& now) const;
  bool keep(long step);

  std::string name_;
  double running_average_;
  Ladder ladder_;
  Tensor a_, g_;  ///< Averages of the factors.
  Tensor u_a_, u_g_, s_;
  bool measured_ = false;  ///< s holds moments taken in this basis.
};

}  // namespace mjolnir
