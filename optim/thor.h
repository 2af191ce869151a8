#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/damping.h>
#include <mjolnir/curvature/levenberg_marquardt.h>
#include <mjolnir/curvature/refresh.h>
#include <mjolnir/curvature/sample_counter.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/optim/kronecker_state.h>
#include <mjolnir/optim/momentum.h>
#include <mjolnir/optim/optimizer.h>
#include <mjolnir/optim/step_length.h>

namespace mjolnir::optim {

/** What the factors are an average of. */
enum class ThorStatistics : std::uint8_t {
  PerSample,     ///< Samples and positions: KFC, the textbook.
  MindSporeGpu,  ///< Parity: positions of the batch mean.
};

/** Options of Thor; docs/thor.md says what each does to the step. */
struct ThorOptions {
  Schedule learning_rate = 0.1;
  Schedule damping = 0.03;    ///< lambda; tune it together with the rate.
  double momentum = 0.9;      ///< mu, in [0, 1).
  double weight_decay = 0.0;  ///< Added to g' after preconditioning.
  double loss_scale = 1.0;    ///< What the loss was multiplied by.
  LossReduction loss_reduction = LossReduction::Mean;
  bool nesterov = false;
  DecayFilter decay_filter = {};  ///< Empty: every parameter decays.
  /** Largest diagonal block of a factor; 0 is no split. Unset: 0, and 128 with
   * MindSporeGpu. */
  std::optional<std::int64_t> split_dim = {};
  long frequency = 100;  ///< Steps between looks, at least 1.
  ThorStatistics statistics = ThorStatistics::PerSample;
  DampingSplit damping_split = DampingSplit::Even;
  double running_average = 0.0;   ///< rho of the factors, in [0, 1); 0: off.
  double kl_clip = 0.0;           ///< kappa; 0: off.
  bool enable_clip_grad = false;  ///< Each tensor's step to norm at most 1.
  GradientClip clip = {};  ///< Of g / loss_scale, before preconditioning.
  /** What a look leads to: always new factors and inverses (Fixed), or the rule
   * of the paper, RefreshRule::thor(), which needs a frequency of 2 or more. */
  RefreshRule refresh_rule = {};
  /** Biases join the blocks of their layers (homogeneous coordinate), and not
   * only of those that ask for it. */
  bool joint_bias = false;
  double norm_constraint = 0.0;  ///< See StepLengthOptions; 0: off.
  bool graft = false;            ///< See StepLengthOptions.
  /** Damping that adapts itself, from damping(0) on; step(closure) is then the
   * only way to step. */
  std::optional<LevenbergMarquardtOptions> adaptive_damping = {};
  /** Scale and shift of BatchNorm2d and LayerNorm are divided by a damped 2x2
   * Fisher matrix per unit, renewed at every look whatever the rule;
   * docs/curvature.md has the formulas. A layer of which one of the two is
   * frozen, or not Thor's, stays first-order. Not with MindSporeGpu, which has
   * a rule of its own for LayerNorm. */
  bool scale_shift = false;
};

/** The loss of the batch whose gradients are there, once more. */
using LossClosure = std::function<Tensor()>;

/**
 * THOR (Chen et al., "THOR, Trace-based Hardware-driven Layer-Oriented Natural
 * Gradient Descent Computation", AAAI-21): the gradient of every layer with
 * enabled factors is multiplied by the inverse of its Kronecker-factored
 * Fisher block, which the refresh rule renews; everything else follows plain
 * momentum. An event (topic "thor") says so if no layer has factors.
 *
 * Factors cover the backward passes from zero_grad() to step(); layers that it
 * does not move collect none. A module must outlive its optimizer, and belongs
 * to one Thor at a time.
 */
class Thor final : public Optimizer, public KroneckerState {
 public:
  /** Throws ValueError for an option outside its domain, and as Optimizer. */
  explicit Thor(Module& module, const ThorOptions& options = {});
  /** The parameters of these groups alone; zero_grad() opens a new window for
   * all layers of the module. */
  Thor(Module& module, const std::vector<ParameterGroup>& groups,
       const ThorOptions& options = {});

  void zero_grad() override;
  /** Throws ValueError with adaptive damping, which needs the closure. */
  void step() override;
  /**
   * The same step. With adaptive damping the closure gives the loss of the same
   * batch again, as it was given to backward(): it is called before and after
   * the step, without recording, in the steps that adapt. It must not draw
   * random numbers; a training-mode BatchNorm moves its running statistics.
   * Throws ValueError for an empty closure.
   */
  void step(const LossClosure& closure);

  /** lambda at the step to come. */
  double damping() const override;
  void visit_state(StateVisitor& visitor) override;
  /** Null without adaptive damping. */
  const LevenbergMarquardt* adaptive_damping() const noexcept {
    return adaptive_ ? &*adaptive_ : nullptr;
  }

 private:
  void start(Module& module);
  void take_step(const LossClosure* closure);
  double gradient_scale() const;
  double loss_of(const LossClosure& closure) const;
  void divide_norms(std::vector<Direction>& directions, double damping) const;

  ThorOptions options_;
  StepLengthOptions bounds_;
  std::optional<LevenbergMarquardt> adaptive_;
  std::vector<char> norms_;  ///< By parameter: a LayerNorm's, in parity mode.
  bool counts_ = false;      ///< The number of samples is needed.
  SampleCounter counter_;
  Momentum momentum_;
};

}  // namespace mjolnir::optim
