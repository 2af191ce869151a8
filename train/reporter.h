#pragma once

#include <cstdint>
#include <string>

#include <mjolnir/train/console.h>
#include <mjolnir/train/curvature_log.h>
#include <mjolnir/train/fit.h>
#include <mjolnir/train/metrics.h>

namespace mjolnir::train {

/** Turns the records of fit() into progress and rows of metrics.csv. */
class Reporter {
 public:
  /** Both must outlive the reporter. */
  Reporter(Console& console, MetricsFile& metrics, std::int64_t epochs);

  /** Makes fit() report here, and `curvature`, which may be null and else must
   * outlive the run: the metrics then have its layer_columns(). */
  void attach(FitOptions& options, CurvatureLog* curvature = nullptr);

 private:
  void on_step(const StepRecord& record);
  void on_epoch(const EpochRecord& record);

  Console& console_;
  MetricsFile& metrics_;
  std::int64_t epochs_;
  CurvatureLog* curvature_ = nullptr;
};

/** "epoch 3/8 done: loss 0.3348, validation loss 0.3314, accuracy ..." */
std::string epoch_line(const EpochRecord& record, std::int64_t epochs);

/** The table at the end of a run, at most 79 columns wide: a header, then a
 * line per epoch; the epoch that was kept is marked. "" without an epoch. */
std::string epoch_table(const FitResult& result);

/** "test accuracy 91.87 % (+- 0.27)" */
std::string accuracy_line(const Meter& test);

}  // namespace mjolnir::train
