#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/core/state.h>
#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/ladder.h>
#include <mjolnir/curvature/state.h>
#include <mjolnir/layers/scale_shift.h>

namespace mjolnir {

/** The gradients of a normalization layer, or their like. */
struct ScaleShiftTensors {
  Tensor scale;
  Tensor shift;
};

/**
 * The unit-wise Fisher blocks of a normalization layer, one 2x2 matrix per pair
 * (scale, shift), and how to divide by them: (g'_scale, g'_shift) = (F + lambda
 * I)^-1 (g_scale, g_shift). All in f64, whatever the parameters are. A unit
 * receives at least 32 eps times its largest diagonal entry (eps of the
 * parameters), so that lambda may be 0; one whose block is then still 0 is left
 * alone, by an inverse of 0. See docs/curvature.md.
 */
class ScaleShiftBlock {
 public:
  /** `scale` is the layer's; F <- rho F + (1 - rho) F_now at a refresh, with
   * rho = running_average. Throws ValueError unless it is f32 or f64. */
  ScaleShiftBlock(std::string name, const Tensor& scale,
                  double running_average);

  /** Throws what take() throws, and changes nothing: ValueError for sums of no
   * samples, ShapeError for other units than the layer's. */
  void check(const ScaleShiftSums& sums) const;
  /**
   * F_now = gradient_scale sums / N, its running average and damped inverse.
   * What is not finite changes no average: the last good inverse stays, and
   * without one the gradients stay as they are; an event (topic "ladder") and
   * state().ladder tell. Throws like check().
   */
  void take(const ScaleShiftSums& sums, double gradient_scale, double damping,
            long step);

  const std::string& name() const noexcept { return state_.name; }
  /** rows = units, columns = 2, mean_g the mean eigenvalue and damping.g lambda
   * at the last good refresh. */
  const LayerCurvature& state() const noexcept { return state_; }
  /** True once there is an inverse. */
  bool ready() const noexcept {
    return state_.preconditioner == Preconditioner::Inverse;
  }
  /** Counts and reports that a parameter is left alone in this step. */
  void skip(long step, const std::string& why);

  /** scale (F + lambda I)^-1 g with the inverse of the last good refresh,
   * shaped and laid out as the gradients. Needs ready(). */
  ScaleShiftTensors precondition(const ScaleShiftTensors& gradient,
                                 double scale) const;
  /** <x, F x>, undamped; 0 before the first refresh. */
  double energy(const ScaleShiftTensors& x) const;
  /** (units,2,2) in f64; undefined before the first refresh. */
  Tensor inverse() const;

  /** Shows averages, inverses and what the ladder did. */
  void visit_state(StateVisitor& visitor);

 private:
  /** The distinct elements of a symmetric 2x2 matrix. */
  struct Pair {
    double scale = 0.0, both = 0.0, shift = 0.0;
    bool is_finite() const noexcept;
  };

  Pair average(const ScaleShiftSums& sums, std::size_t unit, double gain) const;
  void refuse(long step);

  DType dtype_;
  double running_average_;
  std::vector<Pair> fisher_;
  std::vector<Pair> inverse_;
  Ladder ladder_;
  LayerCurvature state_;
};

}  // namespace mjolnir
