#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/state.h>
#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/direction.h>
#include <mjolnir/curvature/kronecker.h>
#include <mjolnir/curvature/refresh.h>
#include <mjolnir/curvature/scale_shift.h>
#include <mjolnir/curvature/state.h>
#include <mjolnir/curvature/trace_rule.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/module.h>

namespace mjolnir {

/** Makes the sums of a layer, with or without its bias. */
using MakeObserver =
    std::function<std::shared_ptr<FactorObserver>(bool joint_bias)>;

/** Options of KroneckerPreconditioner. */
struct PreconditionerOptions {
  std::string name = "kronecker";  ///< Prefix of errors, topic of events.
  /** joint_bias: of every layer with a bias, not only of those that ask. */
  KroneckerOptions kronecker = {};
  long frequency = 100;  ///< Steps between looks, at least 1.
  RefreshRule rule = {};
  double loss_scale = 1.0;   ///< What the loss was multiplied by.
  bool sum_reduced = false;  ///< The loss is the sum over samples, not a mean.
  MakeObserver make_observer = {};  ///< Empty: KroneckerObserver.
  /** Normalization layers get a block per unit (ScaleShiftPreconditioner), from
   * passes of this purpose. */
  bool scale_shift = false;
  Purpose purpose = Purpose::Training;
};

/**
 * Divides the gradients of a model's layers by their Kronecker-factored Fisher
 * blocks: what Thor, Kfac and Preconditioned have in common. It adopts every
 * CurvatureSource of the module that has factors enabled and whose weight is in
 * its list, decides before each step what each layer collects, and refreshes
 * and applies the inverses. The window of a step runs from the module's
 * zero_grad() to refresh().
 *
 *   plan(0);                        // at construction, by itself
 *   zero_grad(), backward(), ...
 *   check(directions);              // throws; nothing was changed
 *   refresh(directions, lambda);    // looks, decisions, inverses
 *   precondition(directions);       // g' = 1/T Ghat^-1 g Ahat^-1
 *   plan(1);
 *
 * The module must outlive it; its layers collect for one at a time.
 */
class KroneckerPreconditioner {
 public:
  /** `parameters` are what the optimizer moves, in the order of the indices of
   * the directions. Emits an event (topic: options.name) for a layer that it
   * leaves alone although it has factors, and if no layer has any. Throws
   * ValueError for an option outside its domain, and what KroneckerBlock
   * throws. */
  KroneckerPreconditioner(Module& module, std::vector<Tensor> parameters,
                          PreconditionerOptions options);
  /** Stops the layers' collecting. */
  ~KroneckerPreconditioner();
  KroneckerPreconditioner(const KroneckerPreconditioner&) = delete;
  KroneckerPreconditioner& operator=(const KroneckerPreconditioner&) = delete;

  std::size_t layers() const noexcept { return layers_.size(); }
  /** Its normalization layers; none without scale_shift. */
  const ScaleShiftPreconditioner& scale_shifts() const noexcept {
    return scale_shifts_;
  }
  /** True if the parameter belongs to a layer with factors, or to a pair that
   * has an inverse. */
  bool covers(std::size_t parameter) const noexcept;
  /** True if some layer collects in this window. */
  bool collecting() const noexcept;

  /** Decides what the layers collect for `step`, the one to come. */
  void plan(long step);
  /** Tells the layers again, as some may have been frozen or thawed. */
  void collect();

  /** Throws ValueError if layers that should have sums have a gradient but no
   * sums, or sums that do not match; nothing is changed. */
  void check(const std::vector<Direction>& directions) const;
  /** Looks at the layers that are due, decides, and refreshes inverses from the
   * sums of the window, with lambda = `damping`. */
  void refresh(const std::vector<Direction>& directions, double damping);
  /** Fills value and scale: of layers with an inverse g' = F^-1 g, of the other
   * parameters g itself. */
  void precondition(std::vector<Direction>& directions);
  /** Reports, as an event and in the ladder's counts, that the step of a
   * second-order parameter was not taken. False, and silent, for another. */
  bool skip(const Direction& direction, const std::string& why);

  /** sum of scale^2 <value, F value> over the directions, F = T (G kron A) +
   * lambda I for layers with factors, likewise for pairs, and I for the other
   * parameters. Needs keep_factors. */
  double energy(const std::vector<Direction>& directions, double damping) const;

  std::vector<LayerCurvature> curvature() const;
  const std::vector<RefreshDecision>& decisions() const noexcept {
    return decisions_;
  }
  /** See CurvatureState. */
  Tensor inverse_a(const std::string& layer) const;
  Tensor inverse_g(const std::string& layer) const;
  /** Uses these inverses, shaped as inverse_a() and inverse_g() give them, and
   * this T until the next look. Throws ValueError for an unknown layer or a T
   * that is not finite and above 0, and ShapeError. */
  void set_inverses(const std::string& layer, const Tensor& a, const Tensor& g,
                    double positions);
  /** Good inverses so far, over all layers with factors; those of groups count
   * apart. */
  long refreshes() const noexcept;

  /** Shows, in a scope "curvature", the blocks of all layers, what each is to
   * do next, and the decisions so far. */
  void visit_state(StateVisitor& visitor);

 private:
  struct Layer {
    std::shared_ptr<FactorObserver> observer;
    std::size_t weight = 0;              ///< Indices of its parameters.
    std::optional<std::size_t> bias;     ///< If it is joint.
    std::vector<KroneckerBlock> blocks;  ///< One per group.
    TraceRule rule;
    bool look = false;    ///< To be looked at when it next has a gradient.
    bool due = false;     ///< Collects factors, and refreshes with a gradient.
    bool told = false;    ///< That damping hides its trace from the rule.
    double cosine = 0.0;  ///< Between g and g' in the last step.
    LookCounts looks;
    TraceDecision decision;
    long last_look = -1;
  };
  /** The directions of one layer in a step; null if it has no gradient. */
  struct Use {
    Layer* layer;
    Direction* weight;
    Direction* bias;
  };

  bool adopt(const std::string& name, CurvatureSource& source);
  void adopt(const std::string& name, ScaleShiftSource& source);
  std::optional<std::size_t> index_of(const Tensor& parameter) const;
  std::size_t find(const std::string& layer) const;
  Collect wanted(const Layer& layer) const;
  Places places(const std::vector<Direction>& directions) const {
    return Places(directions, parameters_.size());
  }
  std::vector<Use> uses(std::vector<Direction>& directions);
  double gradient_scale(const FactorSums& sums) const;
  double trace(const Layer& layer) const;
  void look(Layer& layer, double damping);
  void visit_decisions(StateVisitor& visitor);
  void note_cosine(const Use& use) const;

  std::vector<Tensor> parameters_;
  PreconditionerOptions options_;
  LookSchedule schedule_;
  std::vector<Layer> layers_;
  ScaleShiftPreconditioner scale_shifts_;
  std::vector<RefreshDecision> decisions_;
  long step_ = 0;
};

}  // namespace mjolnir
