#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/damping.h>
#include <mjolnir/curvature/kronecker.h>
#include <mjolnir/curvature/refresh.h>
#include <mjolnir/curvature/state.h>
#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/layer_norm.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/optim/optimizer.h>

namespace mjolnir::optim {

/** What the factors are an average of. */
enum class ThorStatistics : std::uint8_t {
  PerSample,     ///< Samples and positions: KFC, the textbook.
  MindSporeGpu,  ///< Parity: positions of the batch mean.
};

/** How the loss adds up the samples' losses. */
enum class LossReduction : std::uint8_t { Mean, Sum };

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
  long frequency = 100;  ///< Steps between refreshes, at least 1.
  ThorStatistics statistics = ThorStatistics::PerSample;
  DampingSplit damping_split = DampingSplit::Even;
  double running_average = 0.0;   ///< rho of the factors, in [0, 1); 0: off.
  double kl_clip = 0.0;           ///< kappa; 0: off.
  bool enable_clip_grad = false;  ///< Each tensor's step to norm at most 1.
  GradientClip clip = {};  ///< Of g / loss_scale, before preconditioning.
};

/**
 * THOR (Chen et al., "THOR, Trace-based Hardware-driven Layer-Oriented Natural
 * Gradient Descent Computation", AAAI-21): the gradient of every layer with
 * enabled factors is multiplied by the inverse of its Kronecker-factored
 * Fisher block, refreshed every `frequency` steps; everything else follows
 * plain momentum. Grouped convolutions are first-order too, and an event (topic
 * "thor") says so, as it does if no layer has factors.
 *
 * Factors cover the backward passes from zero_grad() to step(); layers that it
 * does not move collect none. A module must outlive its optimizer, and belongs
 * to one Thor at a time.
 */
class Thor final : public Optimizer, public CurvatureState {
 public:
  /** Throws ValueError for an option outside its domain, and as Optimizer. */
  explicit Thor(Module& module, const ThorOptions& options = {});
  /** The parameters of these groups alone; zero_grad() opens a new window for
   * all layers of the module. */
  Thor(Module& module, const std::vector<ParameterGroup>& groups,
       const ThorOptions& options = {});
  /** Stops the layers' collecting. */
  ~Thor() override;

  void zero_grad() override;
  void step() override;

  double damping() const override;
  std::vector<LayerCurvature> curvature() const override;
  Tensor inverse_a(const std::string& layer) const override;
  Tensor inverse_g(const std::string& layer) const override;
  /** Uses these inverses, in weight order, and this T until the next look;
   * throws ValueError for an unknown layer or a T that is not finite and above
   * 0, and ShapeError. */
  void set_inverses(const std::string& layer, const Tensor& a, const Tensor& g,
                    double positions);
  /** Good inverses so far, over all layers. */
  long refreshes() const noexcept;

 private:
  class SampleCounter;

  struct Layer {
    std::shared_ptr<FactorObserver> observer;
    std::size_t parameter;
    KroneckerBlock block;
    bool due;  ///< Collects factors, and refreshes when it has a gradient.
    double cosine = 0.0;  ///< Between g and g' in the last step.
  };

  /** g' of one parameter, still to be multiplied by `scale`. */
  struct Direction {
    Update update;
    Layer* layer = nullptr;  ///< Null: first order.
    Tensor value;            ///< Undefined: left alone in this step.
    double scale = 1.0;
    double clip = 1.0;  ///< Of g' and weight decay together.
  };

  void adopt_layers(Module& module);
  bool adopt(const std::string& name, CurvatureSource& source);
  void adopt_norm(const LayerNorm& norm);
  void plan_looks();
  void collect_due();
  double gradient_scale() const;
  void find_layers(std::vector<Direction>& directions);
  void check_sums(const std::vector<Direction>& directions) const;
  void refresh_due(const std::vector<Direction>& directions, double damping);
  void precondition(std::vector<Direction>& directions, double damping) const;
  void first_order(Direction& direction, double damping) const;
  void clip_kl(std::vector<Direction>& directions) const;
  void clip_norms(std::vector<Direction>& directions) const;
  void make_velocities(const std::vector<Direction>& directions);
  void move(const Direction& direction);
  std::size_t index_of(const std::string& layer) const;

  ThorOptions options_;
  FixedRefresh rule_;
  std::vector<Layer> layers_;
  std::vector<char> norms_;  ///< By parameter: a LayerNorm's, in parity mode.
  /** With a sum-reduced loss, or parity and a LayerNorm. */
  std::shared_ptr<SampleCounter> counter_;
  std::vector<ObservationHandle> counting_;
  /** By parameter; undefined without momentum, or while frozen. */
  std::vector<Tensor> velocity_;
};

}  // namespace mjolnir::optim
