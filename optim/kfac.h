#pragma once

#include <cstdint>
#include <vector>

#include <mjolnir/curvature/damping.h>
#include <mjolnir/curvature/refresh.h>
#include <mjolnir/curvature/sample_counter.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/optim/kronecker_state.h>
#include <mjolnir/optim/momentum.h>
#include <mjolnir/optim/optimizer.h>
#include <mjolnir/optim/step_length.h>

namespace mjolnir::optim {

/** Where the targets of the factors come from. */
enum class KfacTargets : std::uint8_t {
  Training,  ///< The batch's own: the empirical Fisher.
  Sampled,   ///< The model's, in a curvature-only pass: the Fisher.
};

/** Options of Kfac. */
struct KfacOptions {
  Schedule learning_rate = 0.1;
  Schedule damping = 0.003;   ///< lambda; tune it together with the rate.
  double momentum = 0.9;      ///< mu, in [0, 1).
  double weight_decay = 0.0;  ///< Added to g' after preconditioning.
  double loss_scale = 1.0;    ///< What the losses were multiplied by.
  LossReduction loss_reduction = LossReduction::Mean;
  DecayFilter decay_filter = {};  ///< Empty: every parameter decays.
  long frequency = 10;            ///< Steps between looks, at least 1.
  RefreshRule refresh_rule = {};
  double running_average = 0.9;  ///< rho of the factors, in [0, 1).
  DampingSplit damping_split = DampingSplit::Trace;
  bool joint_bias = true;
  KfacTargets targets = KfacTargets::Training;
  std::int64_t split_dim = 0;  ///< Largest diagonal block; 0 is no split.
  /** kl_clip = 0.001. */
  StepLengthOptions step_length = {0.001, 0.0, false};
  GradientClip clip = {};    ///< Of g / loss_scale, before preconditioning.
  bool scale_shift = false;  ///< See ThorOptions; from the same targets.
};

/**
 * K-FAC (Martens & Grosse, "Optimizing neural networks with Kronecker-factored
 * approximate curvature", ICML 2015; for convolutions Grosse & Martens, KFC,
 * ICML 2016): running averages of the factors, damping split by their traces,
 * biases in their layers' blocks, steps clipped by their KL divergence.
 *
 * With KfacTargets::Sampled the window of a step in which collecting() is true
 * needs a pass of its own, whose loss is scaled and reduced as the training
 * loss is:
 *
 *   kfac.zero_grad();
 *   Tensor outputs = net(images);
 *   if (kfac.collecting()) {
 *     Tensor drawn = sample_targets(likelihood, outputs, rng);
 *     negative_log_likelihood(likelihood, outputs, drawn)
 *         .backward({.retain_graph = true, .curvature_only = true});
 *   }
 */
class Kfac final : public Optimizer, public KroneckerState {
 public:
  /** Throws ValueError for an option outside its domain, and as Optimizer. */
  explicit Kfac(Module& module, const KfacOptions& options = {});
  Kfac(Module& module, const std::vector<ParameterGroup>& groups,
       const KfacOptions& options = {});

  void zero_grad() override;
  void step() override;
  double damping() const override;
  void visit_state(StateVisitor& visitor) override;

 private:
  KfacOptions options_;
  SampleCounter counter_;
  Momentum momentum_;
};

}  // namespace mjolnir::optim
