#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <mjolnir/curvature/state.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/train/job.h>
#include <mjolnir/train/objective.h>
#include <mjolnir/train/report/predictions.h>
#include <mjolnir/train/run_listener.h>

namespace mjolnir::train {

/** When the report is written while a run goes on. */
struct HtmlReportOptions {
  double least_seconds = 3.0;  ///< From one time to the next, at least.
  /** And so many times what the last one took: 200 keeps it below 0.5 % of the
   * run. */
  double times_its_own = 200.0;
};

/**
 * Keeps report.html in the folder of a run: one file with everything in it,
 * made anew, as a whole, of the files of the run, when an epoch or a logging
 * step ends and enough time has passed, and at the end. Tell it after those
 * that write metrics.csv. A write that fails does not stop the run: one event
 * "report", then no more is written.
 */
class HtmlReport : public RunListener {
 public:
  /** `state` is null for an optimizer without curvature. Model, state and data
   * must outlive the report. */
  HtmlReport(std::string folder, const Module& model,
             const CurvatureState* state, const JobData& data,
             const HtmlReportOptions& options = {});

  /** Writes a first page; the folder has config.json and metrics.csv. */
  void start();

  /** Objectives that let the report see the answers: for the validation of each
   * epoch, and for the test images at the end. It must outlive them. */
  Objective listening_to_validation(Objective objective);
  Objective listening_to_test(Objective objective);

  void on_step(const StepRecord& record) override;
  void on_epoch(const EpochRecord& record) override;
  void on_end(const FitResult& result,
              const std::optional<Meter>& test) override;

 private:
  void write_if_due();
  void write();
  std::string page() const;

  std::string folder_;
  const Module& model_;
  const CurvatureState* state_;
  const JobData& data_;
  HtmlReportOptions options_;
  PredictionLog validation_;
  PredictionLog test_;
  std::optional<Predictions> validated_;  // of the last epoch
  std::optional<Predictions> tested_;
  std::int64_t epoch_ = 0;
  std::int64_t steps_per_epoch_ = 0;
  double next_ = 0.0;  // not before this time, in seconds
  bool working_ = true;
  bool ended_ = false;
};

}  // namespace mjolnir::train
