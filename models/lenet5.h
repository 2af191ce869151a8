#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <mjolnir/core/random.h>
#include <mjolnir/layers/conv2d.h>
#include <mjolnir/layers/dense.h>

namespace mjolnir::models {

/** Options of LeNet5. */
struct LeNet5Options {
  std::int64_t in_channels = 1;
  std::int64_t classes = 10;
  /** Channels of the first convolution; the other layers scale with it:
   * 6 : 16 : 120 : 84. */
  std::int64_t width = 6;
  std::int64_t image = 28;    ///< Side of the square images, 28 or 32.
  bool second_order = false;  ///< See to_thor(): same names and arithmetic.
  DType dtype = DType::F32;
};

/**
 * LeNet-5 (LeCun et al., "Gradient-based learning applied to document
 * recognition", 1998) in today's form: relu and max pooling, every map
 * connected, a plain dense output. 28x28 images are padded to 32x32 by the
 * first convolution. Names "conv1", "conv2", "fc1", "fc2", "fc3". Throws
 * ValueError for an option out of its domain.
 */
class LeNet5 : public Module {
 public:
  LeNet5(const LeNet5Options& options, Generator& rng);
  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;
  const LeNet5Options& options() const noexcept { return options_; }

 private:
  LeNet5Options options_;
  std::unique_ptr<Conv2d> conv1_;
  std::unique_ptr<Conv2d> conv2_;
  std::unique_ptr<Dense> fc1_;
  std::unique_ptr<Dense> fc2_;
  std::unique_ptr<Dense> fc3_;
};

}  // namespace mjolnir::models
