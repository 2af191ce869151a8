#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <mjolnir/core/state.h>

namespace mjolnir::train {

/** One row of metrics.csv; an empty optional is an empty field. */
struct MetricsRow {
  std::string kind;                ///< "step", "epoch" or "layer".
  std::int64_t epoch = 0;          ///< From 1.
  std::int64_t step = 0;           ///< Optimizer steps so far in the whole run.
  std::optional<double> loss;      ///< Training: mean since the last row of
                                   ///< this kind.
  std::optional<double> accuracy;  ///< Training, 0..1, of the same samples.
  std::optional<double> validation_loss;
  std::optional<double> validation_accuracy;
  std::optional<double> learning_rate;
  std::optional<double> damping;
  std::optional<std::int64_t> refreshes;  ///< So far.
  /** Of the last report on the curvature, means over the layers: damping's
   * shares, and the cosine of the update to the gradient. */
  std::optional<double> damping_a;
  std::optional<double> damping_g;
  std::optional<double> cosine;
  /** Of the columns that the file was given besides; none: all are empty. */
  std::vector<std::string> more = {};
  double seconds = 0.0;  ///< Since the run began.
  double images_per_second = 0.0;
};

namespace detail {
class LineFile;
}

/**
 * metrics.csv: a header, then one complete line per row, written with one
 * system call, so that a killed run leaves whole lines. Numbers are written
 * so that they read back as the same double, whatever the locale. The two
 * time columns come last.
 */
class MetricsFile {
 public:
  /** Creates or empties the file; `more` are names of columns before those of
   * the times. With `go_on` what is there stays, for a run that is resumed.
   * Throws IoError, also for a file that has other columns. */
  explicit MetricsFile(const std::string& path,
                       const std::vector<std::string>& more = {},
                       bool go_on = false);
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  /** Appends a row. Throws ValueError for cells without a column. A write that
   * fails (a full disk) does not stop the run: one event "metrics", then no
   * more rows are written. */
  void add(const MetricsRow& row);

  /** Shows how long the file is. Loading cuts it to the length it had: later
   * rows will be written again. An event (topic "metrics") tells if it is
   * shorter, and so lacks rows. */
  void visit_state(StateVisitor& visitor);

 private:
  std::unique_ptr<detail::LineFile> file_;
  std::size_t more_;  ///< Columns besides.
};

}  // namespace mjolnir::train
