#pragma once

#include <functional>
#include <vector>

#include <mjolnir/curvature/preconditioner.h>
#include <mjolnir/optim/optimizer.h>

namespace mjolnir::optim {

/** How long the step along g' may be; everything is off by default. */
struct StepLengthOptions {
  /** kappa: all g' times min(1, sqrt(kappa / (eta^2 |sum <g', g>|))), an
   * estimate of twice the KL divergence of the step (Ba, Grosse & Martens,
   * "Distributed second-order optimization using Kronecker-factored
   * approximations", ICLR 2017, section 5); 0: off. */
  double kl_clip = 0.0;
  /** c: the same with sum <g', F g'>, F = T (G kron A) + lambda I for layers
   * with factors and I for the other parameters: a trust region in the metric
   * of the Fisher matrix (ibid.); 0: off. Not with kl_clip. */
  double norm_constraint = 0.0;
  /** Each tensor's g' gets the length of its g: the direction is the
   * curvature's, the step length Sgd's (Agarwal et al., "Disentangling adaptive
   * gradient methods from learning rates", 2020). */
  bool graft = false;
};

/** Throws ValueError, naming the optimizer, for an option outside its domain.
 */
void check(const char* optimizer, const StepLengthOptions& options);

/** One direction per update, whose value is still to come. */
std::vector<Direction> directions_of(const std::vector<Update>& updates);

/** <x, F x> of the scaled values of these directions. */
using EnergyOf = std::function<double(const std::vector<Direction>&)>;

/** Changes the scales of the directions of the updates, in that order: clip or
 * constraint, grafting. `energy` is asked for by the norm constraint alone. */
void bound_steps(const StepLengthOptions& options,
                 const std::vector<Update>& updates, const EnergyOf& energy,
                 std::vector<Direction>& directions);

}  // namespace mjolnir::optim
