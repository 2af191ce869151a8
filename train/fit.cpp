#include "train/fit.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <mjolnir/core/denormals.h>
#include <mjolnir/core/error.h>
#include <mjolnir/curvature/state.h>
#include <mjolnir/train/evaluate.h>

namespace mjolnir::train {

namespace {

double now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

// Copies of some tensors, to go back to.
class Snapshot {
 public:
  explicit Snapshot(const std::vector<NamedTensor>& tensors) {
    for (const auto& [name, tensor] : tensors) {
      live_.push_back(tensor.detach());
      kept_.push_back(tensor.clone());
    }
  }
  void take() const { copy(live_, kept_); }
  void restore() const { copy(kept_, live_); }

 private:
  static void copy(const std::vector<Tensor>& from,
                   const std::vector<Tensor>& to) {
    for (std::size_t i = 0; i < from.size(); ++i) {
      to[i].copy_from(from[i]);
    }
  }

  std::vector<Tensor> live_;
  std::vector<Tensor> kept_;
};

bool better(const Meter& candidate, const Meter& best) {
  return candidate.has_accuracy ? candidate.accuracy() > best.accuracy()
                                : candidate.loss() < best.loss();
}

class Fit {
 public:
  Fit(Module& model, optim::Optimizer& optimizer, data::Loader& training,
      const FitOptions& options)
      : model_(model),
        optimizer_(optimizer),
        curvature_(dynamic_cast<const CurvatureState*>(&optimizer)),
        training_(training),
        options_(options),
        buffers_(model.named_buffers()),
        began_(now()) {}

  FitResult run() {
    for (epoch_ = 1; epoch_ <= options_.epochs; ++epoch_) {
      if (!train_epoch() || !finish_epoch()) {
        break;
      }
    }
    if (result_.status == FitStatus::Completed && best_state_) {
      best_state_->restore();
    }
    result_.seconds = now() - began_;
    return std::move(result_);
  }

 private:
  // False if the run ends here.
  bool train_epoch() {
    model_.train();
    so_far_ = {};
    step_ = 0;
    interval_began_ = epoch_began_ = now();
    for (const Batch& batch : training_) {
      if (!train_step(batch)) {
        result_.status = FitStatus::Diverged;
        return false;
      }
      report_step();
      if (interrupted()) {
        return false;
      }
    }
    return true;
  }

  bool interrupted() {
    if (options_.stop && options_.stop()) {
      result_.status = FitStatus::Interrupted;
    }
    return result_.status == FitStatus::Interrupted;
  }

  // False if something was not finite; then nothing has changed.
  bool train_step(const Batch& batch) {
    ++step_;
    buffers_.take();
    settings_.learning_rate = optimizer_.learning_rate();
    if (curvature_ != nullptr) {
      settings_.damping = curvature_->damping();
    }
    optimizer_.zero_grad();
    const Tensor output = model_(batch.images);
    const Tensor loss = options_.objective.loss(output, batch);
    const double value = loss.item();
    if (!std::isfinite(value)) {
      return diverged(std::isnan(value) ? "the loss is not a number"
                                        : "the loss is infinite");
    }
    loss.backward();
    try {
      optimizer_.step();
    } catch (const NumericalError& error) {
      return diverged(error.what());
    }
    ++result_.run_steps;
    count_refreshes();
    count(value, output, batch);
    return true;
  }

  bool diverged(const std::string& what) {
    buffers_.restore();  // the forward pass moved running statistics
    result_.reason = "in step " + std::to_string(step_) + " of epoch " +
                     std::to_string(epoch_) + ": " + what;
    return false;
  }

  void count_refreshes() {
    if (curvature_ == nullptr) {
      return;
    }
    std::int64_t most = 0;
    for (const LayerCurvature& layer : curvature_->curvature()) {
      most = std::max<std::int64_t>(most, layer.refreshes);
    }
    settings_.refreshes = most;
  }

  void count(double loss, const Tensor& output, const Batch& batch) {
    const std::int64_t right = options_.objective.correct
                                   ? options_.objective.correct(output, batch)
                                   : -1;
    so_far_.add(loss, batch.images.size(0), right);
    interval_.add(loss, batch.images.size(0), right);
  }

  void report_step() {
    StepRecord record;
    record.epoch = epoch_;
    record.step = step_;
    record.steps = training_.steps();
    record.run_step = result_.run_steps;
    record.logging = result_.run_steps % options_.log_every == 0;
    record.interval = interval_;
    record.so_far = so_far_;
    record.settings = settings_;
    const double time = now();
    record.seconds = time - began_;
    record.interval_seconds = interval_before_ + time - interval_began_;
    if (options_.on_step) {
      options_.on_step(record);
    }
    if (record.logging) {
      interval_ = {};
      interval_before_ = 0.0;
      interval_began_ = now();
    }
  }

  // False if it was interrupted; the epoch then counts as not finished.
  bool finish_epoch() {
    EpochRecord record;
    record.training_seconds = now() - epoch_began_;
    // An interval may go on in the next epoch, without the time in between.
    interval_before_ += now() - interval_began_;
    record.epoch = epoch_;
    record.run_step = result_.run_steps;
    record.training = so_far_;
    record.settings = settings_;
    if (options_.validation != nullptr && !validate(record)) {
      return false;
    }
    record.seconds = now() - began_;
    result_.epochs.push_back(record);
    if (options_.on_epoch) {
      options_.on_epoch(record);
    }
    return true;
  }

  bool validate(EpochRecord& record) {
    record.validation = evaluate(model_, *options_.validation,
                                 options_.validation_objective, options_.stop);
    if (interrupted()) {
      return false;
    }
    record.best = !best_state_ || better(*record.validation, best_);
    if (!record.best) {
      return true;
    }
    best_ = *record.validation;
    result_.best_epoch = epoch_;
    if (best_state_) {
      best_state_->take();
    } else {
      best_state_.emplace(model_.state());
    }
    return true;
  }

  Module& model_;
  optim::Optimizer& optimizer_;
  const CurvatureState* curvature_;  // null for a first-order optimizer
  data::Loader& training_;
  const FitOptions& options_;

  FitResult result_;
  std::int64_t epoch_ = 0;
  std::int64_t step_ = 0;
  StepSettings settings_;
  Meter so_far_;
  Meter interval_;
  Snapshot buffers_;
  std::optional<Snapshot> best_state_;
  Meter best_;
  double began_ = 0.0;
  double epoch_began_ = 0.0;
  double interval_began_ = 0.0;
  double interval_before_ = 0.0;  // of this interval, in the epoch before
};

}  // namespace

FitResult fit(Module& model, optim::Optimizer& optimizer,
              data::Loader& training, const FitOptions& options) {
  if (options.epochs < 1 || options.log_every < 1) {
    throw ValueError("[fit] epochs and log_every must be at least 1, got " +
                     std::to_string(options.epochs) + " and " +
                     std::to_string(options.log_every));
  }
  if (training.steps() == 0) {
    throw ValueError("[fit] the training set is empty");
  }
  const FlushDenormals flush;  // fading weights must not slow a step down
  return Fit(model, optimizer, training, options).run();
}

}  // namespace mjolnir::train
