#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/initializers.h>

namespace mjolnir {

/** Options of DenseThor: MindSpore's arguments, names and defaults. */
struct DenseThorOptions {
  std::int64_t in_channels = 0;   ///< Input features, at least 1.
  std::int64_t out_channels = 0;  ///< Output features, at least 1.
  Initializer weight_init = "normal";
  Initializer bias_init = "zeros";
  bool has_bias = true;
  /** The bias joins the weight's block as the weight of one more input, always
   * 1: A is (in + 1, in + 1). Needs has_bias. */
  bool joint_bias = false;
  /** See DenseOptions: T = 1 and N counts positions of x (N,S,in). */
  bool positions_are_samples = false;
  DType dtype = DType::F32;
};

/**
 * A Dense with the arguments, defaults and refusals of MindSpore's DenseThor,
 * which from birth sums its Kronecker factors in every backward pass, A = 1/P
 * sum x x^T and G = 1/P sum dout dout^T (Martens & Grosse, ICML 2015, section
 * 3). For x (N,S,in) T = S, for a loss averaged over samples. Throws ValueError
 * that names layer, argument and value; a bias_init without bias is a warning
 * event (topic "initializer").
 */
class DenseThor : public Dense {
 public:
  DenseThor(const DenseThorOptions& options, Generator& rng);

  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;
  bool joint_bias() const override { return thor_options_.joint_bias; }

 private:
  explicit DenseThor(const DenseThorOptions& options);

  DenseThorOptions thor_options_;
};

}  // namespace mjolnir
