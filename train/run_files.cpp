#include "train/run_files.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include <mjolnir/train/config.h>
#include <mjolnir/train/metrics/metrics.h>
#include <mjolnir/train/metrics/tensorboard.h>
#include <mjolnir/train/model_file.h>
#include <mjolnir/train/reporter.h>
#include <mjolnir/train/run_folder.h>
#include <mjolnir/train/run_result.h>

namespace mjolnir::train {

namespace {

// What model.safetensors says about itself: which network it is, of which run,
// and that the parameters are those of the best epoch, or else of the last
// step.
std::map<std::string, std::string> notes(const TrainOptions& options,
                                         const ClassifierInfo& classifier,
                                         const FitResult& result) {
  std::int64_t epoch = static_cast<std::int64_t>(result.epochs.size());
  std::int64_t step = result.run_steps;
  if (result.status == FitStatus::Completed && result.best_epoch > 0) {
    epoch = result.best_epoch;
    step = result.epochs[static_cast<std::size_t>(epoch - 1)].run_step;
  }
  std::map<std::string, std::string> all = classifier_notes(classifier);
  all["epoch"] = std::to_string(epoch);
  all["step"] = std::to_string(step);
  all["seed"] = std::to_string(options.seed);
  all["config"] = config_hash(options);
  return all;
}

TrainOptions with_folder(TrainOptions options) {
  options.out = make_run_folder(options);
  return options;
}

}  // namespace

RunFiles::RunFiles(const TrainOptions& options, Module& model,
                   optim::Optimizer& optimizer, const JobData& data)
    : options_(with_folder(options)),
      classifier_(classifier_info(options, data.train)),
      model_(model),
      curvature_state_(dynamic_cast<const CurvatureState*>(&optimizer)),
      curvature_(make_curvature_log(options, model, optimizer, data.train)),
      names_{"model.safetensors", "metrics.csv", "metrics.jsonl",
             "config.json"},
      checkpoints_(options_, data.train) {
  const bool resumed = !options_.resume.empty();
  if (!resumed) {
    write_config(folder() + "/config.json", options_);
  }
  owned_.push_back(std::make_unique<MetricsReporter>(
      folder() + "/metrics.csv", curvature_ != nullptr, resumed));
  if (options_.tensorboard) {
    auto events = std::make_unique<TensorBoardReporter>(
        folder(), model,
        Shape{data.train.channels(), data.train.height(), data.train.width()},
        resumed ? checkpoints_.step() + 1 : -1);
    names_.push_back(events->name());
    owned_.push_back(std::move(events));
  }
  // Last, since it reads what the others wrote.
  if (!options_.no_report) {
    auto report =
        std::make_unique<HtmlReport>(folder(), model, curvature_state_, data);
    report_ = report.get();
    if (!resumed) {
      report_->start();
    }
    owned_.push_back(std::move(report));
    names_.push_back("report.html");
  }
  for (const auto& listener : owned_) {
    listeners_.push_back(listener.get());
  }
}

void RunFiles::also_tell(RunListener& listener) {
  listeners_.push_back(&listener);
}

void RunFiles::follow(FitOptions& fit) {
  if (report_ != nullptr) {
    fit.validation_objective =
        report_->listening_to_validation(fit.validation_objective);
  }
  fit.on_step = [this](const StepRecord& record) { tell_step(record); };
  fit.on_epoch = [this](const EpochRecord& record) {
    for (RunListener* listener : listeners_) {
      listener->on_epoch(record);
    }
  };
  fit.on_begin = [this] { begin(); };
  checkpoints_.follow(fit, listeners_);
}

// A resumed run is right from here on: its files may be changed.
void RunFiles::begin() {
  if (options_.resume.empty()) {
    return;
  }
  write_config(folder() + "/config.json", options_);
  std::error_code ignored;  // it may not be there
  std::filesystem::remove(folder() + "/result.json", ignored);
  checkpoints_.tell(listeners_);
  if (report_ != nullptr) {
    report_->start();
  }
}

Objective RunFiles::test_objective() {
  return report_ != nullptr ? report_->listening_to_test(classification())
                            : classification();
}

void RunFiles::tell_step(const StepRecord& record) {
  if (curvature_ != nullptr && curvature_->on_step(record.run_step)) {
    for (RunListener* listener : listeners_) {
      listener->on_curvature(record, curvature_->last());
    }
  }
  for (RunListener* listener : listeners_) {
    listener->on_step(record);
  }
}

void RunFiles::save(const FitResult& result) {
  if (!checkpoints_.newest().empty()) {
    names_.push_back("checkpoints/");
  }
  train::save(model_, folder() + "/model.safetensors",
              notes(options_, classifier_, result));
  if (curvature_state_ != nullptr) {
    write_decisions(folder() + "/decisions.csv", *curvature_state_);
    names_.push_back("decisions.csv");
  }
}

void RunFiles::finish(const FitResult& result,
                      const std::optional<Meter>& test) {
  write_result(folder() + "/result.json", result, test);
  names_.push_back("result.json");
  for (RunListener* listener : listeners_) {
    listener->on_end(result, test);
  }
}

std::string RunFiles::curvature_table(int columns) const {
  return curvature_ != nullptr ? curvature_->last().str(columns) + "\n" : "";
}

std::string RunFiles::advice(const FitResult& result) {
  const std::string newest = checkpoints_.newest();
  if (result.status != FitStatus::Diverged) {
    return newest.empty()
               ? ""
               : "; ./mjolnir train --resume " + folder() + " goes on";
  }
  std::string text = "; the parameters before that step were saved";
  if (!newest.empty()) {
    text += ", the last good checkpoint is " + newest;
  }
  text += ". A lower --learning-rate";
  if (options_.optimizer == "thor") {
    text += ", a higher --damping";
  }
  return text + " or a longer --warmup may help";
}

std::string RunFiles::summary(int columns) const {
  const auto room = static_cast<std::size_t>(std::max(columns - 1, 0));
  std::string lines = "files in " + folder() + ":\n";
  std::string line;
  for (const std::string& name : names_) {
    if (!line.empty() && line.size() + 2 + name.size() > room) {
      lines += line + "\n";
      line.clear();
    }
    line += "  " + name;
  }
  return lines + line + "\n";
}

}  // namespace mjolnir::train
