#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <mjolnir/train/fit.h>
#include <mjolnir/train/metrics/curvature_log.h>
#include <mjolnir/train/metrics/metrics.h>
#include <mjolnir/train/metrics/metrics_jsonl.h>
#include <mjolnir/train/program/console.h>
#include <mjolnir/train/run_listener.h>

namespace mjolnir::train {

/** Shows a run on a console: a live line, or plain ones. */
class ProgressReporter : public RunListener {
 public:
  /** The console must outlive the reporter. */
  ProgressReporter(Console& console, std::int64_t epochs);
  void on_step(const StepRecord& record) override;
  void on_epoch(const EpochRecord& record) override;

 private:
  Console& console_;
  std::int64_t epochs_;
};

/** Turns a run into rows of metrics.csv, and of metrics.jsonl beside it. */
class MetricsReporter : public RunListener {
 public:
  /** Creates or empties the files, of which `path` is the one of CSV; with
   * `layers` they have the layer_columns() and a row per layer of each report.
   * With `go_on` the files of a run that is resumed are added to. Throws
   * IoError. */
  MetricsReporter(const std::string& path, bool layers, bool go_on = false);
  void on_step(const StepRecord& record) override;
  void on_curvature(const StepRecord& record,
                    const CurvatureReport& report) override;
  void on_epoch(const EpochRecord& record) override;
  void visit_state(StateVisitor& visitor) override;
  std::string state_name() const override { return "metrics"; }

 private:
  void add(const MetricsRow& row);

  MetricsFile file_;
  MetricsJsonl jsonl_;
  // Of the last report, until a row has it.
  std::optional<CurvatureSummary> summary_;
};

/** "epoch 3/8 done: loss 0.3348, validation loss 0.3314, accuracy ..." */
std::string epoch_line(const EpochRecord& record, std::int64_t epochs);

/** The table at the end of a run: a header, then a line per epoch; the epoch
 * that was kept is marked. All of it takes 69 columns; where there are fewer,
 * the less important ones are left out. "" without an epoch. */
std::string epoch_table(const FitResult& result, int columns = 80);

/** "test accuracy 91.87 % (+- 0.27)" */
std::string accuracy_line(const Meter& test);

}  // namespace mjolnir::train
