#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/likelihood.h>
#include <mjolnir/curvature/split_losses.h>
#include <mjolnir/layers/functional.h>
#include <mjolnir/layers/module.h>

namespace mjolnir {

/** Options of choose_split_dim(). */
struct SplitOptions {
  /** The sizes of blocks to choose from, ascending, from 1 on. */
  std::vector<std::int64_t> sizes = {1, 16, 32, 64, 128, 256, 512, 1024, 2048};
  /** A factor whose split loses less than this counts as kept; in (0, 1]. */
  double tolerance = 0.01;
  /** How fast blocks of each size are inverted, in any unit; empty: measured,
   * so that the choice depends on the machine and its load. */
  std::vector<double> speed = {};
};

/** What splitting one factor costs in accuracy. */
struct SplitFactor {
  std::string name;            ///< Layer and side, e.g. "layer1.0.conv1 A".
  std::int64_t size = 0;       ///< Its rows.
  std::vector<double> losses;  ///< split_losses().
};

/** The two curves of choose_split_dim(), and what follows from them. */
struct SplitChoice {
  std::vector<std::int64_t> sizes;
  std::vector<double> kept;   ///< Share of factors that a size keeps.
  std::vector<double> speed;  ///< 1 is the fastest; falls with the size.
  double tolerance = 0.0;
  double crossing = 0.0;       ///< The size at which the curves cross.
  std::int64_t split_dim = 0;  ///< The one of `sizes` that is nearest.
  std::vector<SplitFactor> factors;

  /** Both curves as a table with bars, in at most 80 columns. */
  std::string str() const;
};

/**
 * The size at which a split neither loses much nor gains little, for
 * ThorOptions::split_dim: where the share of factors that lose less than
 * `tolerance` crosses the speed of the inversion (Chen et al., "THOR", AAAI-21;
 * 106 for ResNet-50, so 128). `factors` are in weight order.
 *
 * Ours, where the paper is silent: the speed is that of inverting one matrix as
 * large as the largest factor, by Cholesky, by as many threads as there are,
 * divided by the fastest; a size counts as no slower than a larger one, since
 * blocks that are both slower and less exact are never chosen; between two
 * sizes both curves are straight over log(size), and the nearest size is so on
 * that scale. Where the curves do not cross it is the first or the last size.
 *
 * Throws ValueError for options out of their domain and for no factors, and as
 * split_losses() does, naming the factor.
 */
SplitChoice choose_split_dim(const std::vector<NamedTensor>& factors,
                             const SplitOptions& options = {});

/**
 * The same for A and G of every trained layer with factors, as one batch gives
 * them; an embedding has G alone, since its A is a diagonal already. The model
 * stays as it is: gradients, buffers and the sums of its layers (only observers
 * of curvature passes see the pass, and Dropout draws). In training mode the
 * statistics are those of training. Throws ValueError for an empty batch and a
 * model without such layers, and as above.
 */
SplitChoice choose_split_dim(Module& model, const BatchLoss& loss,
                             const Batch& batch,
                             const SplitOptions& options = {});

/** The same for the mean negative log likelihood of the batch's targets. */
SplitChoice choose_split_dim(Module& model, Likelihood likelihood,
                             const Batch& batch,
                             const SplitOptions& options = {});

}  // namespace mjolnir
