#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <mjolnir/core/tensor.h>
#include <mjolnir/layers/observation.h>

namespace mjolnir {

/**
 * What a layer y = scale xhat + shift shows its observers, once per use in a
 * backward pass. Both tensors are only read, and only valid during the call.
 */
struct ScaleShiftRecord {
  Tensor xhat;  ///< The normalized input, of the shape of y.
  Tensor dout;  ///< Gradient of the loss with respect to y.
  /** What a pair (scale, shift) belongs to: true for the channels, axis 1 of
   * (N,C,H,W) or (N,C); false for the elements of the last axes. */
  bool channels = false;
  std::int64_t units = 0;    ///< Pairs: the elements of scale.
  std::int64_t samples = 0;  ///< N
  std::uint64_t pass = 0;    ///< Unique per backward call.
};

/** What a ScaleShiftObserver gathered since zero_grad(), unscaled; additive,
 * like FactorSums. */
struct ScaleShiftSums {
  /** Sums over samples of dscale_n^2, dscale_n dshift_n and dshift_n^2: (units)
   * in f64, the elements of scale in logical order. Undefined until something
   * was recorded. */
  Tensor scale_scale;
  Tensor scale_shift;
  Tensor shift_shift;
  std::int64_t samples = 0;  ///< N, a sample once per backward pass.
};

/**
 * Sums the second moments of the samples' gradients of each unit's pair
 * (scale, shift): the unit-wise Fisher matrix of a normalization layer (Amari
 * et al., "Fisher information and natural gradient learning in random deep
 * networks", AISTATS 2019; Osawa et al., "Scalable and practical natural
 * gradient for large-scale deep learning", 2020, for batch normalization),
 * times N:
 *
 *   dscale_n = sum over positions of dout xhat,  dshift_n = sum of dout
 *
 * dout being the gradient of sample n's own part of the loss. Behind the
 * statistics of a batch this is the usual approximation: mean and variance
 * count as constants, as if they did not depend on the samples. Several uses
 * of a layer in one pass add up to one gradient per sample, before it is
 * squared.
 */
class ScaleShiftObserver : public LayerObserver {
 public:
  explicit ScaleShiftObserver(Purpose purpose = Purpose::Training)
      : purpose_(purpose) {}

  /** Throws ValueError for samples with different numbers of positions, or for
   * uses in one pass with different numbers of samples, and then forgets
   * everything; ShapeError for another number of units than before. */
  virtual void record(const ScaleShiftRecord& record);
  /** The sums so far, which include those of a pass that still runs. */
  ScaleShiftSums sums() const;
  /** N so far. */
  std::int64_t samples() const noexcept { return samples_; }
  /** Whether the records to come are added; at first they are. */
  void collect(bool on) noexcept { collecting_ = on; }

  bool collecting() const override { return collecting_; }
  Purpose purpose() const override { return purpose_; }
  void clear() override;

 private:
  void begin(const ScaleShiftRecord& record);

  Purpose purpose_;
  bool collecting_ = true;
  std::int64_t samples_ = 0;
  std::uint64_t pass_ = 0;  ///< Of the last record,
  Tensor dscale_, dshift_;  ///< and its samples' gradients, (N, units).
  Tensor moments_;          ///< Of the passes before, (3, units).
};

/**
 * A layer that scales and shifts each unit of a normalized input: BatchNorm2d,
 * LayerNorm. Dormant until somebody observes it.
 */
class ScaleShiftSource : public ObservedLayer {
 public:
  ScaleShiftSource();
  ~ScaleShiftSource() override;

  /** Attaches an observer until the handle goes; several may coexist. Throws
   * ValueError for none. */
  ObservationHandle observe(std::shared_ptr<ScaleShiftObserver> observer);

  /** The parameters, of one shape: an element of each is a unit's pair. */
  virtual Tensor curvature_scale() const = 0;
  virtual Tensor curvature_shift() const = 0;

 protected:
  /** What xhat is computed with when somebody collects. */
  using Normalize = std::function<Tensor()>;

  /** Called by the layer's forward, y = scale xhat + shift, if is_observed().
   * In backward passes that somebody collects, `normalize` gives xhat again,
   * without recording. */
  void watch(const Tensor& y, bool channels, std::int64_t samples,
             Normalize normalize);
};

}  // namespace mjolnir
