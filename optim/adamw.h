#pragma once

#include <vector>

#include <mjolnir/optim/optimizer.h>

namespace mjolnir::optim {

/** Options of AdamW. */
struct AdamWOptions {
  Schedule learning_rate = 1e-3;  ///< eta, or one per step.
  double beta1 = 0.9;             ///< In [0, 1).
  double beta2 = 0.999;           ///< In [0, 1).
  double epsilon = 1e-8;          ///< At least 0; 0 divides by sqrt(s) alone.
  double weight_decay = 1e-2;     ///< Decoupled from the gradient.
  DecayFilter decay_filter = {};  ///< Empty: every parameter decays.
  GradientClip clip = {};         ///< Of the gradients, before all else.
};

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter, 2019), as PyTorch's
 * AdamW. With t the steps in which this parameter had a gradient:
 * w <- (1 - eta wd) w; m <- b1 m + (1 - b1) g; s <- b2 s + (1 - b2) g^2;
 * w <- w - eta m / (1 - b1^t) / (sqrt(s / (1 - b2^t)) + epsilon).
 * An element whose step is not finite (an overflow; 0 / 0 where epsilon and
 * every gradient so far are 0) is left alone, with its m and s, and an event
 * (topic "adamw") names the parameter.
 */
class AdamW : public Optimizer {
 public:
  /** Throws ValueError for an option outside its domain, and as Optimizer. */
  explicit AdamW(const Module& module, const AdamWOptions& options = {});
  explicit AdamW(const std::vector<ParameterGroup>& groups,
                 const AdamWOptions& options = {});

  void step() override;
  void visit_state(StateVisitor& visitor) override;

 protected:
  /** Takes the step by these gradients, which may be preconditioned. */
  void apply(const std::vector<Update>& updates);

 private:
  AdamWOptions options_;
  // By parameter, undefined while frozen:
  std::vector<Tensor> first_;    ///< m
  std::vector<Tensor> second_;   ///< s
  std::vector<long> own_steps_;  ///< t
};

}  // namespace mjolnir::optim
