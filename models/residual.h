#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <mjolnir/core/random.h>
#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/conv2d.h>
#include <mjolnir/layers/sequential.h>

namespace mjolnir::models {

/** Which block a residual network is made of. */
enum class BlockKind : std::uint8_t {
  Basic,      ///< Two 3x3 convolutions.
  Bottleneck  ///< 1x1, 3x3 (with the stride), 1x1 to four times the width.
};

/** One residual block. */
struct BlockOptions {
  BlockKind kind = BlockKind::Basic;
  std::int64_t in = 0;
  std::int64_t width = 0;  ///< Channels of its 3x3 convolutions.
  std::int64_t stride = 1;
  DType dtype = DType::F32;

  /** Channels of the result. */
  std::int64_t out() const noexcept {
    return kind == BlockKind::Basic ? width : 4 * width;
  }
};

/**
 * relu(f(x) + x), f made of convolutions without bias, each followed by batch
 * normalization, with relu between (He et al., "Deep residual learning for
 * image recognition", CVPR 2016). Where the shape changes, the shortcut is a
 * 1x1 convolution and a BatchNorm2d (option B), "downsample.0" and
 * "downsample.1"; the others are "conv1", "bn1", "conv2", ..., as in
 * torchvision. Convolutions start from N(0, 2/fan_out).
 */
class ResidualBlock : public Module {
 public:
  ResidualBlock(const BlockOptions& options, Generator& rng);
  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;

 private:
  void append(std::int64_t in, std::int64_t out, std::int64_t kernel,
              std::int64_t stride, Generator& rng);

  BlockOptions options_;
  std::vector<std::unique_ptr<Conv2d>> convs_;
  std::vector<std::unique_ptr<BatchNorm2d>> norms_;
  Sequential downsample_;
};

/** A convolution of a residual network: no bias, padding kernel/2, started
 * from N(0, 2/fan_out) (He et al., 2015). */
std::unique_ptr<Conv2d> residual_conv(std::int64_t in, std::int64_t out,
                                      std::int64_t kernel, std::int64_t stride,
                                      DType dtype, Generator& rng);

/** Appends `count` blocks to a stage: the first one has the options' stride
 * and input, the others keep the shape. Returns the channels of the result. */
std::int64_t append_blocks(Sequential& stage, std::int64_t count,
                           BlockOptions options, Generator& rng);

}  // namespace mjolnir::models
