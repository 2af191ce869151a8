#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/curvature/report.h>
#include <mjolnir/curvature/state.h>
#include <mjolnir/train/metrics.h>

namespace mjolnir::train {

/** A layer's row of metrics.csv. */
struct LayerRow {
  std::int64_t step = 0;  ///< Of the report, from 1.
  double seconds = 0.0;
  /** What the file has of it; what it has not is NaN. */
  LayerReport layer;
};

/** What metrics.csv holds, by kind. */
struct Metrics {
  std::vector<MetricsRow> steps;
  std::vector<MetricsRow> epochs;
  std::vector<LayerRow> layers;
};

/**
 * Reads metrics.csv back; columns are found by their names, and those of other
 * names are left out. A row that a killed run did not finish is left out too.
 * Throws IoError for a file that cannot be read or is no such file.
 */
Metrics read_metrics(const std::string& path);

/** Reads decisions.csv back: every look at a layer. Throws IoError. */
std::vector<RefreshDecision> read_decisions(const std::string& path);

}  // namespace mjolnir::train
