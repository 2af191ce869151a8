#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/random.h>
#include <mjolnir/layers/sequential.h>
#include <mjolnir/layers/window.h>

namespace mjolnir::models {

/** The function between two layers of an Autoencoder. */
enum class Nonlinearity : std::uint8_t { Tanh, Sigmoid, ReLU };

/** Options of Autoencoder. */
struct AutoencoderOptions {
  std::int64_t in_channels = 1;
  Pair image = 28;            ///< Height and width of the images.
  std::int64_t width = 1000;  ///< Of the first layer; 2 and 4 times the next.
  std::int64_t code = 30;     ///< Units in the middle, without nonlinearity.
  Nonlinearity nonlinearity = Nonlinearity::Tanh;
  bool second_order = false;  ///< See to_thor(): same names and arithmetic.
  DType dtype = DType::F32;
};

/**
 * The deep autoencoder of Hinton & Salakhutdinov ("Reducing the dimensionality
 * of data with neural networks", Science 2006), the benchmark of second-order
 * methods since Martens (ICML 2010): 784-1000-500-250-30 and its mirror image.
 * Theirs has sigmoid units and was trained layer by layer first; the default
 * here is tanh, which trains from random weights (Xavier uniform, biases 0).
 * Images or vectors (N,784) in, logits (N,784) of the pixels out: for
 * binary_cross_entropy_with_logits. Names "encoder.0", "encoder.2", ...,
 * "decoder.0", .... Throws ValueError for an option out of its domain.
 */
class Autoencoder : public Module {
 public:
  Autoencoder(const AutoencoderOptions& options, Generator& rng);
  /** Logits of the pixels, (N, C H W). */
  Tensor operator()(const Tensor& x) override;
  /** The code of each image, (N, code). */
  Tensor encode(const Tensor& x);
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;
  const AutoencoderOptions& options() const noexcept { return options_; }

 private:
  void append(Sequential& to, const std::vector<std::int64_t>& sizes,
              Generator& rng) const;

  AutoencoderOptions options_;
  Sequential encoder_;
  Sequential decoder_;
};

}  // namespace mjolnir::models
