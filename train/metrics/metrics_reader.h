#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/curvature/report.h>
#include <mjolnir/curvature/state.h>
#include <mjolnir/io/file.h>
#include <mjolnir/train/metrics/metrics.h>

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
 * Takes metrics.csv apart; columns are found by their names, and those of other
 * names are left out. A row that a killed run did not finish is left out too.
 * Throws IoError, which calls the file `name`, for one that is no such file.
 */
Metrics parse_metrics(const io::Bytes& bytes, const std::string& name);
/** The same of a file; throws IoError if it cannot be read. */
Metrics read_metrics(const std::string& path);

/** Takes decisions.csv apart: every look at a layer. Throws IoError. */
std::vector<RefreshDecision> parse_decisions(const io::Bytes& bytes,
                                             const std::string& name);
/** The same of a file; throws IoError if it cannot be read. */
std::vector<RefreshDecision> read_decisions(const std::string& path);

}  // namespace mjolnir::train
