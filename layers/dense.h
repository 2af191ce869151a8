#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <mjolnir/core/random.h>
#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/module.h>

namespace mjolnir {

/** Options of Dense. */
struct DenseOptions {
  std::int64_t in = 0;   ///< Input features, at least 1.
  std::int64_t out = 0;  ///< Output features, at least 1.
  bool bias = true;
  /** For x (N,...,in): the loss is an average over all positions (tokens), not
   * over the N samples, so that curvature counts each as a sample. */
  bool positions_are_samples = false;
  DType dtype = DType::F32;
};

/**
 * y = x weight^T + bias on the last axis of x (N,...,in), with `weight`
 * (out,in) and `bias` (out). Initialised as PyTorch's Linear: both from
 * U(-b, b), b = 1/sqrt(in). Throws ValueError for a size below 1.
 */
class Dense : public Module, public CurvatureSource {
 public:
  Dense(const DenseOptions& options, Generator& rng);

  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;

  /** What it was made with. */
  const DenseOptions& options() const noexcept { return options_; }

  CurvatureKind curvature_kind() const override { return CurvatureKind::Dense; }
  Tensor curvature_weight() const override { return weight; }
  Tensor curvature_bias() const override { return bias; }

  Tensor weight;
  Tensor bias;  ///< Undefined without bias.

 protected:
  /** Checks and registers, with parameters still zero; `layer` is named in
   * errors. */
  Dense(const char* layer, const DenseOptions& options);

 private:
  DenseOptions options_;
};

}  // namespace mjolnir
