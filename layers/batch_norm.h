#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <mjolnir/core/ops/norm.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/layers/scale_shift.h>

namespace mjolnir {

/** Options of BatchNorm2d. */
struct BatchNorm2dOptions {
  std::int64_t channels = 0;  ///< At least 1.
  double epsilon = 1e-5;      ///< Added to the variance; positive.
  double momentum = 0.1;      ///< Weight of the new batch, in [0,1].
  DType dtype = DType::F32;
};

/**
 * Batch normalization (Ioffe & Szegedy, 2015) of axis 1 of (N,C,H,W) or (N,C):
 * with the batch's statistics in training, which also move the running ones
 * (their variance is the unbiased one, as in PyTorch); with the running ones
 * in evaluation. Buffers running_mean, running_var, num_batches_tracked.
 * Observers see a pair of weight and bias per channel.
 * Throws ValueError for an option out of its domain.
 */
class BatchNorm2d : public Module, public ScaleShiftSource {
 public:
  explicit BatchNorm2d(const BatchNorm2dOptions& options);

  Tensor operator()(const Tensor& x) override;
  /** relu of the result, or of the result + addend, of the shape of x: in one
   * pass, unless somebody observes the layer. */
  Tensor relu(const Tensor& x, const Tensor& addend = {});
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;

  Tensor curvature_scale() const override { return weight; }
  Tensor curvature_shift() const override { return bias; }

  Tensor weight;               ///< (C), 1 at first.
  Tensor bias;                 ///< (C), 0 at first.
  Tensor running_mean;         ///< (C), 0 at first.
  Tensor running_var;          ///< (C), 1 at first.
  Tensor num_batches_tracked;  ///< Scalar I64: training passes so far.

 private:
  BatchNormOptions now() const;
  void count_use();
  void watch_use(const Tensor& x, const Tensor& y,
                 const BatchNormOptions& options);

  BatchNorm2dOptions options_;
};

}  // namespace mjolnir
