#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/random.h>
#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/window.h>

namespace mjolnir::models {

/** Options of Mlp. */
struct MlpOptions {
  std::int64_t in_channels = 1;
  Pair image = 28;           ///< Height and width of the images.
  std::int64_t width = 256;  ///< Units of a hidden layer.
  std::int64_t depth = 2;    ///< Hidden layers; 0 is a linear classifier.
  std::int64_t classes = 10;
  bool second_order = false;  ///< See to_thor(): same names and arithmetic.
  DType dtype = DType::F32;
};

/**
 * Dense layers "fc1", "fc2", ... with relu between; images (N,C,H,W) or
 * vectors (N,C H W) in, logits (N,classes) out. Throws ValueError for an
 * option out of its domain.
 */
class Mlp : public Module {
 public:
  Mlp(const MlpOptions& options, Generator& rng);
  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;
  const MlpOptions& options() const noexcept { return options_; }

 private:
  MlpOptions options_;
  std::vector<std::unique_ptr<Dense>> layers_;
};

}  // namespace mjolnir::models
