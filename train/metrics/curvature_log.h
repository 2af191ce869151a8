#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/curvature/report.h>
#include <mjolnir/curvature/state.h>
#include <mjolnir/layers/functional.h>
#include <mjolnir/layers/module.h>

namespace mjolnir::train {

/** What a step's row of metrics.csv has of a report: means over the layers. */
struct CurvatureSummary {
  double damping_a = 0.0;  ///< Damping's share of A's damped trace,
  double damping_g = 0.0;  ///< and of G's.
  double cosine = 0.0;     ///< Of the update to the gradient.
};

/** Means over the layers of a report; NaN where no layer has the figure. */
CurvatureSummary summary_of(const CurvatureReport& report);

/** Names of the columns that metrics.csv has of each layer, in rows of kind
 * "layer". */
std::vector<std::string> layer_columns();
/** A layer's cells in these columns; what there is not is empty. */
std::vector<std::string> layer_cells(const LayerReport& layer);

/** Makes a curvature_report() on one batch every so many steps. */
class CurvatureLog {
 public:
  /** Model and state must outlive the log. */
  CurvatureLog(Module& model, BatchLoss loss, Batch batch,
               const CurvatureState& state, std::int64_t every);

  /** After step `run_step`, counted from 1: true if last() is a new report. */
  bool on_step(std::int64_t run_step);
  /** The last report; empty before the first. */
  const CurvatureReport& last() const noexcept { return last_; }

 private:
  Module& model_;
  BatchLoss loss_;
  Batch batch_;
  const CurvatureState& state_;
  std::int64_t every_;
  CurvatureReport last_;
};

/** Writes decisions.csv: every look of the trace rule. Throws IoError. */
void write_decisions(const std::string& path, const CurvatureState& state);

}  // namespace mjolnir::train
