#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/state.h>
#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/direction.h>
#include <mjolnir/curvature/scale_shift_block.h>
#include <mjolnir/curvature/state.h>
#include <mjolnir/layers/scale_shift.h>

namespace mjolnir {

/** How the sums of normalization layers become preconditioners. */
struct ScaleShiftOptions {
  double running_average = 0.0;  ///< rho, in [0, 1).
  double loss_scale = 1.0;       ///< What the loss was multiplied by.
  bool sum_reduced = false;  ///< The loss is the sum over samples, not a mean.
  Purpose purpose = Purpose::Training;  ///< Of the passes that are summed.
};

/**
 * Divides the gradients of a model's normalization layers by their unit-wise
 * Fisher blocks: the part of a KroneckerPreconditioner that has no Kronecker
 * factors, with the same order of calls. Every look renews the blocks that have
 * a gradient; between looks the layers collect nothing. A layer whose scale or
 * shift has no gradient in a step is first-order in it.
 */
class ScaleShiftPreconditioner {
 public:
  explicit ScaleShiftPreconditioner(const ScaleShiftOptions& options)
      : options_(options) {}

  /** Watches a layer, whose parameters have these indices. */
  void adopt(const std::string& name, ScaleShiftSource& source,
             std::size_t scale, std::size_t shift);
  bool is_empty() const noexcept { return pairs_.empty(); }
  /** True for the parameters of the layers it watches. */
  bool owns(std::size_t parameter) const noexcept;
  /** True for those that it divides, as long as both of a pair have a
   * gradient. */
  bool covers(std::size_t parameter) const noexcept;
  bool collecting() const noexcept;

  /** The step to come is a look. */
  void look();
  /** Tells the layers again, as some may have been frozen or thawed. */
  void collect();
  /** The name of a layer that has gradients but not the sums it should have; or
   * null if there is none, or another one has its sums. Throws ShapeError for
   * sums that do not match. */
  const std::string* without_sums(const Places& places) const;
  void refresh(const Places& places, double damping, long step);
  /** Changes the directions of pairs that have an inverse. */
  void precondition(const Places& places, std::vector<Direction>& directions);
  /** False for a parameter of no pair. */
  bool skip(std::size_t parameter, long step, const std::string& why);
  /** sum of scale^2 <value, F value> over the pairs that are divided,
   * undamped. */
  double energy(const Places& places,
                const std::vector<Direction>& directions) const;

  std::vector<LayerCurvature> curvature(long step) const;
  /** Null for an unknown layer. */
  const ScaleShiftBlock* find(const std::string& layer) const;
  long refreshes() const noexcept;

  /** Shows the blocks and which layers are to be looked at. */
  void visit_state(StateVisitor& visitor);

 private:
  struct Pair {
    std::shared_ptr<ScaleShiftObserver> observer;
    ObservationHandle handle;
    Tensor scale, shift;
    std::size_t scale_index, shift_index;
    ScaleShiftBlock block;
    bool has(std::size_t parameter) const noexcept {
      return scale_index == parameter || shift_index == parameter;
    }
    bool trains() const {
      return scale.requires_grad() && shift.requires_grad();
    }
    bool has_gradients(const Places& places) const {
      return places.has(scale_index) && places.has(shift_index);
    }

    bool look = false;  ///< To be refreshed when it next has a gradient.
    long last_look = -1;
    long looks = 0;
    double cosine = 0.0;  ///< Between g and g' in the last step.
  };

  std::vector<Pair> pairs_;
  ScaleShiftOptions options_;
};

}  // namespace mjolnir
