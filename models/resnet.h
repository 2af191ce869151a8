#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <mjolnir/core/random.h>
#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/conv2d.h>
#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/sequential.h>

namespace mjolnir::models {

/** Options of ResNet. */
struct ResNetOptions {
  std::int64_t depth = 20;  ///< 6n+2: 8, 20, 32, 44, 56, 110.
  std::int64_t width = 16;  ///< Channels of the first stage.
  std::int64_t in_channels = 3;
  std::int64_t classes = 10;
  bool second_order = false;  ///< See to_thor(): same names and arithmetic.
  DType dtype = DType::F32;
};

/**
 * The residual network for 32x32 images of He et al. (CVPR 2016, section 4.2):
 * a 3x3 convolution, three stages of (depth - 2)/6 basic blocks with width,
 * 2 width and 4 width channels, the last two starting with stride 2, the mean
 * over all positions and a dense layer. Shortcuts that change shape are 1x1
 * convolutions (option B; the paper's option A pads with zeros). Any image
 * size is accepted. Names "conv1", "bn1", "layer1.0.conv1", ..., "fc". Input
 * (N,in_channels,H,W), output logits (N,classes). Throws ValueError for an
 * option out of its domain.
 */
class ResNet : public Module {
 public:
  ResNet(const ResNetOptions& options, Generator& rng);
  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;
  const ResNetOptions& options() const noexcept { return options_; }

 private:
  ResNetOptions options_;
  std::unique_ptr<Conv2d> conv1_;
  std::unique_ptr<BatchNorm2d> bn1_;
  Sequential layer1_;
  Sequential layer2_;
  Sequential layer3_;
  std::unique_ptr<Dense> fc_;
};

/** First layers of ResNetLarge. */
enum class Stem : std::uint8_t {
  Large,  ///< 7x7 with stride 2, then a 3x3 max pool with stride 2 (224x224).
  Small   ///< 3x3 with stride 1 and no pool (32x32).
};

/** Options of ResNetLarge. */
struct ResNetLargeOptions {
  std::int64_t depth = 18;  ///< 18, 34 or 50.
  std::int64_t width = 64;  ///< Channels of the first stage.
  std::int64_t in_channels = 3;
  std::int64_t classes = 1000;
  Stem stem = Stem::Large;
  bool second_order = false;  ///< See to_thor(): same names and arithmetic.
  DType dtype = DType::F32;
};

/**
 * ResNet-18, 34 and 50 of He et al. (CVPR 2016, table 1): four stages of basic
 * blocks, or of bottlenecks with the stride on the 3x3 convolution (as
 * torchvision). Names are torchvision's: "conv1", "bn1", "layer1.0.conv1", ...,
 * "layer2.0.downsample.0", ..., "fc". Throws ValueError for an option out of
 * its domain.
 */
class ResNetLarge : public Module {
 public:
  ResNetLarge(const ResNetLargeOptions& options, Generator& rng);
  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;
  const ResNetLargeOptions& options() const noexcept { return options_; }

 private:
  ResNetLargeOptions options_;
  std::unique_ptr<Conv2d> conv1_;
  std::unique_ptr<BatchNorm2d> bn1_;
  Sequential layer1_;
  Sequential layer2_;
  Sequential layer3_;
  Sequential layer4_;
  std::unique_ptr<Dense> fc_;
};

}  // namespace mjolnir::models
