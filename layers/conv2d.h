#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <mjolnir/core/random.h>
#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/layers/window.h>

namespace mjolnir {

/** Options of Conv2d. */
struct Conv2dOptions {
  std::int64_t in = 0;   ///< Input channels, at least 1.
  std::int64_t out = 0;  ///< Output channels, at least 1.
  Pair kernel = 3;
  Pair stride = 1;
  Padding padding = 0;
  Pair dilation = 1;
  std::int64_t groups = 1;  ///< Divides in and out.
  bool bias = true;
  DType dtype = DType::F32;
};

/**
 * Cross-correlation of (N,C,H,W) images with `weight` (out, in/groups, kh, kw),
 * stored ChannelsLast, plus `bias` (out). Initialised as PyTorch's Conv2d:
 * both from U(-b, b), b = 1/sqrt(in/groups kh kw). Throws ValueError, naming
 * argument and value, for an option out of its domain.
 */
class Conv2d : public Module, public CurvatureSource {
 public:
  Conv2d(const Conv2dOptions& options, Generator& rng);

  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;

  /** What it was made with. */
  const Conv2dOptions& options() const noexcept { return options_; }
  /** The window it moves over an input of that size. */
  virtual Conv2dGeometry window(std::int64_t height, std::int64_t width) const;

  CurvatureKind curvature_kind() const override {
    return CurvatureKind::Conv2d;
  }
  Tensor curvature_weight() const override { return weight; }
  Tensor curvature_bias() const override { return bias; }
  Conv2dGeometry curvature_geometry() const override { return window_; }

  Tensor weight;
  Tensor bias;  ///< Undefined without bias.

 protected:
  /** Checks and registers, with parameters still zero; `layer` is named in
   * errors. */
  Conv2d(const char* layer, const Conv2dOptions& options);

 private:
  Conv2dOptions options_;
  Conv2dGeometry window_;
};

}  // namespace mjolnir
