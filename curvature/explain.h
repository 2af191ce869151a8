#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/layers/patch_covariance.h>

namespace mjolnir {

/** How the layers of a model would be preconditioned. */
struct ExplainOptions {
  std::int64_t split_dim = 0;  ///< Largest diagonal block; 0 is no split.
  bool joint_bias = false;     ///< Biases join their layers' blocks.
  bool scale_shift = false;    ///< Normalization layers have blocks.
};

/** The curvature of one layer before training. Work is counted in floating
 * operations of one step on the example's batch. */
struct ExplainedLayer {
  std::string name;            ///< Dotted.
  std::string type;            ///< As describe() says it.
  std::int64_t groups = 1;     ///< One pair of factors each.
  std::int64_t size_a = 0;     ///< D: rows of A,
  std::int64_t size_g = 0;     ///< C_out: rows of G, both of one group.
  bool diagonal_a = false;     ///< A is a diagonal: an embedding.
  bool joint_bias = false;     ///< D counts the bias.
  std::int64_t blocks_a = 1;   ///< Diagonal blocks after the split,
  std::int64_t blocks_g = 1;   ///< of one group.
  std::int64_t samples = 0;    ///< N
  std::int64_t positions = 0;  ///< P = N T, over all uses.
  std::int64_t bytes = 0;      ///< Sums of a window and two inverses of each.
  std::int64_t scratch = 0;    ///< Working memory of A, beside that.
  /** How A is summed; Automatic where it is a plain product. */
  CovarianceAlgorithm algorithm = CovarianceAlgorithm::Automatic;
  double step = 0;     ///< Forward and backward of the layer itself.
  double look = 0;     ///< The traces alone.
  double factors = 0;  ///< S_A and S_G.
  double inverses = 0;
  double update = 0;                          ///< G^-1 g A^-1
  CurvatureKind kind = CurvatureKind::Dense;  ///< What A and G are made of.
};

/** A normalization layer with a 2x2 block per unit (scale_shift). */
struct ExplainedScaleShift {
  std::string name;          ///< Dotted.
  std::string type;          ///< As describe() says it.
  std::int64_t units = 0;    ///< Channels, or elements of a LayerNorm.
  std::int64_t samples = 0;  ///< N
  std::int64_t bytes = 0;    ///< Sums of a window, blocks and inverses.
};

/** A parameter that stays first-order. */
struct FirstOrderParameter {
  std::string name;
  Shape shape;
  std::string why;
};

/** What explain() found. */
struct Explanation {
  std::vector<ExplainedLayer> layers;  ///< With factors, in order of use.
  std::vector<ExplainedScaleShift> scale_shifts;
  std::vector<FirstOrderParameter> first_order;
  double step = 0;  ///< Of all layers with a weight, dormant ones included.

  /** A table: one line per layer, its costs as shares of a training step's
   * arithmetic, a line of totals, then the normalization layers with blocks,
   * and what stays first-order and why. In lines of at most `columns` where
   * names are of usual length: a table that is too wide comes in parts. */
  std::string str(int columns = 80) const;
};

/**
 * What second-order training of a model costs and covers, from one forward and
 * backward pass on an example batch, in the model's present mode. The model
 * stays as it is: gradients, buffers and the sums of its layers (only observers
 * of curvature passes see the pass, and Dropout draws). Costs are arithmetic,
 * not time: products reach the machine's peak, small inverses do not. Throws
 * what the model throws.
 */
Explanation explain(Module& model, const Tensor& example,
                    const ExplainOptions& options = {});

/** The same for zeros of that shape, in the dtype of the model's parameters.
 * Throws ValueError for a model without parameters. */
Explanation explain(Module& model, const Shape& input_shape,
                    const ExplainOptions& options = {});

}  // namespace mjolnir
