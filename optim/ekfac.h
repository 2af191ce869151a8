#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/curvature/eigen_block.h>
#include <mjolnir/curvature/refresh.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/layers/second_moment.h>
#include <mjolnir/optim/momentum.h>
#include <mjolnir/optim/optimizer.h>
#include <mjolnir/optim/step_length.h>

namespace mjolnir::optim {

/** Options of Ekfac. */
struct EkfacOptions {
  Schedule learning_rate = 0.1;
  Schedule damping = 0.003;       ///< lambda; tune it together with the rate.
  double momentum = 0.9;          ///< mu, in [0, 1).
  double weight_decay = 0.0;      ///< Added to g' after preconditioning.
  double loss_scale = 1.0;        ///< What the mean loss was multiplied by.
  DecayFilter decay_filter = {};  ///< Empty: every parameter decays.
  long frequency = 50;            ///< Steps between eigendecompositions, >= 1.
  long moment_frequency = 1;      ///< Steps between second moments, at least 1.
  double running_average = 0.9;   ///< rho of factors and moments, in [0, 1).
  /** kl_clip = 0.001; no norm constraint. */
  StepLengthOptions step_length = {0.001, 0.0, false};
  GradientClip clip = {};  ///< Of g / loss_scale, before preconditioning.
};

/**
 * EKFAC (George et al., "Fast approximate natural gradient descent in a
 * Kronecker-factored eigenbasis", NeurIPS 2018): the gradient is divided in the
 * eigenbasis of K-FAC's factors by the second moments that the samples'
 * gradients really have there, which are cheap to renew in every step. The
 * basis changes every `frequency` steps. Conv2d of one group and Dense with
 * factors; biases, other layers and a layer used twice in a pass are
 * first-order (the last one throws from backward()).
 */
class Ekfac final : public Optimizer {
 public:
  /** Throws ValueError for an option outside its domain, and as Optimizer. */
  explicit Ekfac(Module& module, const EkfacOptions& options = {});
  ~Ekfac() override;

  void zero_grad() override;
  void step() override;
  void visit_state(StateVisitor& visitor) override;

  /** lambda at the step to come. */
  double damping() const;
  /** The block of a layer. Throws ValueError for one that has none. */
  const EigenBlock& block(const std::string& layer) const;

 private:
  struct Layer {
    std::size_t parameter;
    EigenBlock block;
    std::shared_ptr<FactorObserver> factors;
    std::shared_ptr<SecondMomentObserver> moments;  ///< Null without a basis.
    ObservationHandle watching;                     ///< Of the moments.
    CurvatureSource* source;
  };

  void adopt(const std::string& name, CurvatureSource& source);
  void plan();
  void check(const std::vector<Update>& updates) const;
  void refresh(Layer& layer);
  void watch(Layer& layer);
  void leave_alone(const Update& update);

  EkfacOptions options_;
  LookSchedule bases_;
  LookSchedule moments_;
  std::vector<Layer> layers_;
  Momentum momentum_;
};

}  // namespace mjolnir::optim
