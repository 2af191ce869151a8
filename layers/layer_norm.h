#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/layers/module.h>
#include <mjolnir/layers/scale_shift.h>

namespace mjolnir {

/** Options of LayerNorm. */
struct LayerNormOptions {
  std::vector<std::int64_t> shape = {};  ///< Of the trailing axes; not empty.
  double epsilon = 1e-5;                 ///< Added to the variance; positive.
  DType dtype = DType::F32;
  /** For x (N,...,shape): the loss is an average over all positions (tokens),
   * not over the N samples, so that curvature counts each as a sample. */
  bool positions_are_samples = false;
};

/**
 * Layer normalization (Ba, Kiros & Hinton, 2016) over the trailing axes, with
 * `weight` and `bias` of their shape. Throws ValueError for an option out of
 * its domain, ShapeError for an x that does not end in that shape. Observers
 * see a pair of weight and bias per element.
 */
class LayerNorm : public Module, public ScaleShiftSource {
 public:
  explicit LayerNorm(const LayerNormOptions& options);

  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;

  Tensor curvature_scale() const override { return weight; }
  Tensor curvature_shift() const override { return bias; }

  Tensor weight;  ///< 1 at first.
  Tensor bias;    ///< 0 at first.

 private:
  LayerNormOptions options_;
};

}  // namespace mjolnir
