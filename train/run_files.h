#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <mjolnir/layers/module.h>
#include <mjolnir/optim/optimizer.h>
#include <mjolnir/train/checkpoint/run_checkpoints.h>
#include <mjolnir/train/classifier.h>
#include <mjolnir/train/fit.h>
#include <mjolnir/train/job.h>
#include <mjolnir/train/meter.h>
#include <mjolnir/train/metrics/curvature_log.h>
#include <mjolnir/train/objective.h>
#include <mjolnir/train/options.h>
#include <mjolnir/train/report/html_report.h>
#include <mjolnir/train/run_listener.h>

namespace mjolnir::train {

/** Everything that a run writes into its folder, from config.json on. */
class RunFiles {
 public:
  /**
   * Makes the folder (make_run_folder()) and the files that are there from the
   * start; with options.resume, takes up those of that run. `options` are
   * those that resolved() gave; model, optimizer and data must outlive the
   * files. Throws UsageError for a folder that holds a run, IoError, and what
   * RunCheckpoints throws.
   */
  RunFiles(const TrainOptions& options, Module& model,
           optim::Optimizer& optimizer, const JobData& data);

  /** The folder. */
  const std::string& folder() const noexcept { return options_.out; }

  /** Makes something that is not a file follow the run too; it must outlive
   * the run. */
  void also_tell(RunListener& listener);

  /** Makes fit() tell everyone, go on where a resumed run was, and make
   * checkpoints. Must outlive the run. */
  void follow(FitOptions& fit);

  /** What to evaluate the test images with, so that the report sees the
   * answers. Must not outlive the files. */
  Objective test_objective();

  /** Writes what is known when fit() returns: the parameters, the decisions of
   * the refresh rule. Throws IoError. */
  void save(const FitResult& result);

  /** Ends all files; `test` is what the test images gave, if there is such. */
  void finish(const FitResult& result, const std::optional<Meter>& test);

  /** What to do about a run that diverged or was interrupted: what was saved,
   * and how to go on; a clause that follows on what happened. */
  std::string advice(const FitResult& result);

  /** The last report on the curvature as a table for so wide a terminal; ""
   * without one. */
  std::string curvature_table(int columns) const;

  /** The lines that end the program's output: where the files are; no wider
   * than `columns` where the names allow it. */
  std::string summary(int columns = 80) const;

 private:
  void begin();
  void tell_step(const StepRecord& record);

  TrainOptions options_;
  ClassifierInfo classifier_;
  Module& model_;
  const CurvatureState* curvature_state_;    // null for a first-order optimizer
  std::unique_ptr<CurvatureLog> curvature_;  // null without --report-curvature
  std::vector<std::unique_ptr<RunListener>> owned_;
  HtmlReport* report_ = nullptr;  // one of them; null with --no-report
  std::vector<RunListener*> listeners_;
  std::vector<std::string> names_;  // of the files
  RunCheckpoints checkpoints_;
};

}  // namespace mjolnir::train
