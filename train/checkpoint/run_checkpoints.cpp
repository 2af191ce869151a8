#include "train/checkpoint/run_checkpoints.h"

#include <algorithm>
#include <utility>

#include <mjolnir/core/backend.h>
#include <mjolnir/core/events.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/io/file.h>
#include <mjolnir/train/checkpoint/fingerprint.h>
#include <mjolnir/train/config.h>

#include "train/detail/text.h"

namespace mjolnir::train {

namespace {

const std::string fit_prefix = "fit/";
const std::string files_prefix = "files/";

std::string state_prefix(const RunListener& listener) {
  return files_prefix + listener.state_name() + "/";
}

void say(Severity severity, const std::string& text) {
  emit(severity, "resume", text);
}

}  // namespace

RunCheckpoints::RunCheckpoints(const TrainOptions& options,
                               const data::Dataset& training)
    : metrics_(options.out + "/metrics.csv"),
      every_(options.checkpoint_every),
      writes_(options.keep > 0),
      writer_(CheckpointFolder(options.out + "/checkpoints",
                               std::max<std::int64_t>(1, options.keep))) {
  if (!writes_ && options.resume.empty()) {
    return;
  }
  notes_ = {{"data", fingerprint(training)},
            {"threads", std::to_string(num_threads())},
            {"blas", blas_description()},
            {"build", build_text()},
            {"config", config_text(options)}};
  if (!options.resume.empty()) {
    resume(options);
  }
}

void RunCheckpoints::resume(const TrainOptions& options) {
  found_ = writer_.folder().newest();
  for (const std::string& error : found_->damaged) {
    say(Severity::Warning, "left out: " + error);
  }
  const std::map<std::string, std::string>& then = found_->checkpoint.notes;
  const auto note = [&then](const std::string& name) {
    const auto found = then.find(name);
    return found == then.end() ? std::string() : found->second;
  };
  if (note("data") != notes_.at("data") && !options.force) {
    throw UsageError("--resume: the run has other training images: '" +
                     note("data") + "', here are '" + notes_.at("data") +
                     "' (--force goes on all the same)");
  }
  const std::int64_t epoch = detail::to_integer(note("epoch")).value_or(0);
  if (options.epochs < epoch) {
    throw UsageError("--epochs: " + std::to_string(options.epochs) +
                     " asked for, the run has " + std::to_string(epoch) +
                     " behind it");
  }
  const std::string bad = note("not_finite");
  if (!bad.empty()) {
    say(Severity::Warning, bad + " numbers of the model are not finite");
  }
  compare("threads", "number of threads");
  compare("blas", "BLAS");
  compare("build", "build or processor");
  say(Severity::Info, "going on after step " + std::to_string(found_->step) +
                          ", epoch " + std::to_string(epoch) +
                          (note("epoch_step") == "0"
                               ? ""
                               : " and " + note("epoch_step") + " steps") +
                          ", from " + found_->path);
  fit_state_ = part_of(found_->checkpoint.state, fit_prefix);
  writer_.set_last(found_->step);
}

void RunCheckpoints::compare(const std::string& name,
                             const std::string& what) const {
  const auto then = found_->checkpoint.notes.find(name);
  const std::string& now = notes_.at(name);
  if (then == found_->checkpoint.notes.end() || then->second == now) {
    return;
  }
  say(Severity::Warning,
      "another " + what + " (" + now + ", before " + then->second +
          "): the results may differ in their last bits from those of an "
          "unbroken run");
}

void RunCheckpoints::follow(FitOptions& fit,
                            const std::vector<RunListener*>& listeners) {
  if (found_) {
    fit.resume = &fit_state_;
  }
  if (!writes_) {
    return;
  }
  fit.checkpoint_every = every_;
  fit.on_checkpoint = [this, &listeners](FitCheckpoint moment) {
    save(std::move(moment), listeners);
  };
}

void RunCheckpoints::tell(const std::vector<RunListener*>& listeners) const {
  if (!found_) {
    return;
  }
  for (RunListener* listener : listeners) {
    const SavedState state =
        part_of(found_->checkpoint.state, state_prefix(*listener));
    // One that the run did not have so far begins here.
    if (listener->state_name().empty() || state.empty()) {
      continue;
    }
    load_state(state, [listener](StateVisitor& visitor) {
      listener->visit_state(visitor);
    });
  }
}

void RunCheckpoints::save(FitCheckpoint moment,
                          const std::vector<RunListener*>& listeners) {
  CheckpointWriter::Job job;
  job.step = moment.run_step;
  job.best = moment.best_run_step;
  job.flush_first = metrics_;
  job.checkpoint.notes = notes_;
  job.checkpoint.notes["step"] = std::to_string(moment.run_step);
  job.checkpoint.notes["epoch"] = std::to_string(moment.epoch);
  job.checkpoint.notes["epoch_step"] = std::to_string(moment.step);
  for (auto& [name, tensor] : moment.state) {
    job.checkpoint.state.emplace_back(fit_prefix + name, std::move(tensor));
  }
  for (RunListener* listener : listeners) {
    if (listener->state_name().empty()) {
      continue;
    }
    append(job.checkpoint.state, state_prefix(*listener),
           save_state([listener](StateVisitor& visitor) {
             listener->visit_state(visitor);
           }));
  }
  writer_.save(std::move(job));
}

void RunCheckpoints::wait() { writer_.wait(); }

std::string RunCheckpoints::newest() {
  writer_.wait();
  return writer_.last_path();
}

}  // namespace mjolnir::train
