#pragma once

#include <vector>

#include <mjolnir/optim/optimizer.h>

namespace mjolnir::optim {

/** Options of Sgd. */
struct SgdOptions {
  Schedule learning_rate = 0.1;   ///< eta, or one per step.
  double momentum = 0.0;          ///< mu, in [0, 1).
  double dampening = 0.0;         ///< In [0, 1].
  bool nesterov = false;          ///< Needs momentum and no dampening.
  double weight_decay = 0.0;      ///< L2: added to the gradient.
  DecayFilter decay_filter = {};  ///< Empty: every parameter decays.
  GradientClip clip = {};         ///< Of the gradients, before all else.
};

/**
 * Stochastic gradient descent with momentum, as PyTorch's SGD:
 * d = g + weight_decay w; v <- mu v + (1 - dampening) d, and v = d in a
 * parameter's first step; w <- w - eta v. Nesterov: w <- w - eta (d + mu v).
 * An element whose step overflows is left alone, with its v, and an event
 * (topic "sgd") names the parameter.
 */
class Sgd : public Optimizer {
 public:
  /** Throws ValueError for an option outside its domain, and as Optimizer. */
  explicit Sgd(const Module& module, const SgdOptions& options = {});
  explicit Sgd(const std::vector<ParameterGroup>& groups,
               const SgdOptions& options = {});

  void step() override;
  void visit_state(StateVisitor& visitor) override;

 protected:
  /** Takes the step by these gradients, which may be preconditioned. */
  void apply(const std::vector<Update>& updates);

 private:
  SgdOptions options_;
  // By parameter:
  std::vector<Tensor> velocity_;  ///< Without momentum, or frozen: undefined.
  std::vector<char> started_;     ///< Whether it has taken a step.
};

}  // namespace mjolnir::optim
