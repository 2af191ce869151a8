#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/state.h>
#include <mjolnir/layers/functional.h>
#include <mjolnir/layers/module.h>

namespace mjolnir {

/** The eigenvalues of one factor, and what damping leaves of them. */
struct Spectrum {
  double least = 0, tenth = 0, median = 0, ninetieth = 0, most = 0;
  double mean = 0;
  /** most / least; infinite for a singular factor. */
  double condition = 0;
  /** What the inverse in use added to the diagonal; 0 before the first. */
  double damping = 0;
  /** damping / (mean + damping), the part of the damped trace that is damping:
   * near 1 this side of the layer is preconditioned by a multiple of I. */
  double damping_share = 0;
  /** Share of the eigenvalues below the damping. */
  double drowned = 0;
};

/** Options of curvature_report(). */
struct ReportOptions {
  /** Layers (groups) of at most so many elements are compared with their exact
   * block, from per-sample gradients, a backward pass each; 0: none. */
  std::int64_t exact_up_to = 4096;
};

/** One layer, or one group of a grouped convolution. Of a scale-shift block
 * `a` is NaN, and `g` the eigenvalues of the 2x2 matrices of all units. */
struct LayerReport {
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();

  std::string name;
  BlockKind kind = BlockKind::Kronecker;
  std::int64_t group = 0;
  std::int64_t groups = 1;
  double positions = 0;  ///< T
  Spectrum a, g;         ///< Of this batch, G scaled as in docs/thor.md.
  long age = -1;         ///< Steps since the inverse in use was made.
  /** Cosine of the layer's update F^-1 g to g, with the inverse in use. */
  double cosine_to_gradient = none;
  /** Cosine of it to (F_exact + lambda I)^-1 g; NaN where not compared, as
   * scale-shift blocks are not. */
  double cosine_to_exact = none;
};

/** What curvature_report() found. */
struct CurvatureReport {
  double damping = 0;  ///< lambda
  std::vector<LayerReport> layers;

  /** A table of two lines per layer, for A and G, or one for 2x2 blocks, in
   * lines of at most `columns` where names are of usual length: a table that is
   * too wide comes in parts. */
  std::string str(int columns = 80) const;
};

/**
 * How an optimizer's curvature looks on a batch: the spectra of A and G, how
 * much of them is damping, how old the inverses are, and where they turn the
 * gradient. `loss` gives the mean loss of a batch. The model stays as it is:
 * gradients, buffers and the sums of its layers (only observers of curvature
 * passes see the pass, and Dropout draws). Its exact blocks are those of the
 * empirical Fisher matrix, 1/N sum of g_n g_n^T. Throws ValueError for an empty
 * batch.
 */
CurvatureReport curvature_report(Module& model, const BatchLoss& loss,
                                 const Batch& batch,
                                 const CurvatureState& state,
                                 const ReportOptions& options = {});

}  // namespace mjolnir
