#include "train/fit.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <mjolnir/core/denormals.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/curvature/state.h>
#include <mjolnir/train/diagnosis.h>
#include <mjolnir/train/evaluate.h>

#include "core/detail/finite.h"
#include "train/detail/claim.h"
#include "train/detail/fit_state.h"

namespace mjolnir::train {

namespace {

double now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

bool better(const Meter& candidate, const Meter& best) {
  return candidate.has_accuracy ? candidate.accuracy() > best.accuracy()
                                : candidate.loss() < best.loss();
}

enum class Step : std::uint8_t { Taken, LeftOut, Failed };

class Fit {
 public:
  Fit(Module& model, optim::Optimizer& optimizer, data::Loader& training,
      const FitOptions& options)
      : model_(model),
        optimizer_(optimizer),
        curvature_(dynamic_cast<const CurvatureState*>(&optimizer)),
        training_(training),
        options_(options),
        buffers_(model.named_buffers()) {
    state_.loader_key = training.state().key;
    state_.loader_epoch = training.state().epoch;
    if (options.resume != nullptr) {
      load_state(*options.resume,
                 [this](StateVisitor& visitor) { visit(visitor); });
      const std::int64_t epoch = state_.loader_epoch + state_.epoch - 1;
      training_.set_state({state_.loader_key, epoch, state_.step});
    }
    began_ = now() - state_.seconds;
  }

  FitResult run() {
    if (options_.on_begin) {
      options_.on_begin();
    }
    while (state_.epoch <= options_.epochs) {
      if (!train_epoch() || !finish_epoch()) {
        break;
      }
      begin_next_epoch();
    }
    if (result_.status == FitStatus::Interrupted) {
      checkpoint();
    }
    if (result_.status == FitStatus::Completed && state_.best_model) {
      state_.best_model->restore();
    }
    result_.epochs = std::move(state_.epochs);
    result_.best_epoch = state_.best_epoch;
    result_.run_steps = state_.run_steps;
    result_.skipped = state_.skipped;
    result_.seconds = now() - began_;
    return std::move(result_);
  }

 private:
  void visit(StateVisitor& visitor) {
    detail::visit_model(visitor, model_);
    visitor.scope("optimizer", [&] { optimizer_.visit_state(visitor); });
    visitor.scope("run",
                  [&] { state_.visit(visitor, model_, training_.steps()); });
  }

  void checkpoint() {
    if (!options_.on_checkpoint) {
      return;
    }
    state_.seconds = now() - began_;
    FitCheckpoint moment;
    moment.state =
        save_state([this](StateVisitor& visitor) { visit(visitor); });
    moment.epoch = state_.epoch - 1;
    moment.step = state_.step;
    moment.run_step = state_.run_steps;
    if (state_.best_epoch > 0) {
      const auto best = static_cast<std::size_t>(state_.best_epoch - 1);
      moment.best_run_step = state_.epochs.at(best).run_step;
    }
    options_.on_checkpoint(std::move(moment));
  }

  // False if the run ends here.
  bool train_epoch() {
    model_.train();
    epoch_began_ = now() - state_.epoch_seconds;
    interval_began_ = now() - state_.interval_seconds;
    bool goes_on = true;
    for (const Batch& batch : training_) {
      goes_on = train_batch(batch);
      if (!goes_on) {
        break;
      }
    }
    stop_clocks();
    return goes_on;
  }

  bool train_batch(const Batch& batch) {
    switch (train_step(batch)) {
      case Step::Failed:
        result_.status = FitStatus::Diverged;
        return false;
      case Step::LeftOut:
        return !interrupted();
      case Step::Taken:
        break;
    }
    report_step();
    if (interrupted()) {
      return false;
    }
    // The one at the end of the epoch comes after the validation.
    if (options_.checkpoint_every > 0 && state_.step < training_.steps() &&
        state_.run_steps % options_.checkpoint_every == 0) {
      stop_clocks();
      checkpoint();
    }
    return true;
  }

  void stop_clocks() {
    state_.epoch_seconds = now() - epoch_began_;
    state_.interval_seconds = now() - interval_began_;
  }

  bool interrupted() {
    if (options_.stop && options_.stop()) {
      result_.status = FitStatus::Interrupted;
    }
    return result_.status == FitStatus::Interrupted;
  }

  // Unless it is taken, nothing has changed.
  Step train_step(const Batch& batch) {
    ++state_.step;
    buffers_.take();
    state_.settings.learning_rate = optimizer_.learning_rate();
    if (curvature_ != nullptr) {
      state_.settings.damping = curvature_->damping();
    }
    Tensor output;
    double value = 0.0;
    try {
      optimizer_.zero_grad();
      output = model_(batch.images);
      const Tensor loss = options_.objective.loss(output, batch);
      value = loss.item();
      if (!std::isfinite(value)) {
        const std::string what = std::isnan(value) ? "the loss is not a number"
                                                   : "the loss is infinite";
        return not_finite(what +
                          where_not_finite(model_, options_.objective, batch));
      }
      loss.backward();
      optimizer_.step();
    } catch (const NumericalError& error) {
      return not_finite(error.what());
    } catch (...) {
      buffers_.restore();  // the forward pass moved running statistics
      throw;
    }
    ++state_.run_steps;
    state_.skipped_in_row = 0;
    count_refreshes();
    count(value, output, batch);
    return Step::Taken;
  }

  Step not_finite(const std::string& what) {
    buffers_.restore();
    const std::string where = "in step " + std::to_string(state_.step) +
                              " of epoch " + std::to_string(state_.epoch) +
                              ": " + what;
    if (options_.on_divergence == OnDivergence::Stop) {
      result_.reason = where;
      return Step::Failed;
    }
    ++state_.skipped;
    if (++state_.skipped_in_row == most_skipped) {
      result_.reason = where + "; so were the " +
                       std::to_string(most_skipped - 1) + " batches before";
      return Step::Failed;
    }
    std::string then = "; the batch is left out";
    if (options_.on_divergence == OnDivergence::Lower) {
      optimizer_.scale_learning_rate(0.5);
      then += ", and the learning rate halved";
    }
    emit(Severity::Warning, "divergence", where + then);
    return Step::LeftOut;
  }

  void count_refreshes() {
    if (curvature_ == nullptr) {
      return;
    }
    std::int64_t most = 0;
    for (const LayerCurvature& layer : curvature_->curvature()) {
      most = std::max<std::int64_t>(most, layer.refreshes);
    }
    state_.settings.refreshes = most;
  }

  void count(double loss, const Tensor& output, const Batch& batch) {
    const std::int64_t right = options_.objective.correct
                                   ? options_.objective.correct(output, batch)
                                   : -1;
    state_.so_far.add(loss, batch.images.size(0), right);
    state_.interval.add(loss, batch.images.size(0), right);
  }

  void report_step() {
    StepRecord record;
    record.epoch = state_.epoch;
    record.step = state_.step;
    record.steps = training_.steps();
    record.run_step = state_.run_steps;
    record.logging = state_.run_steps % options_.log_every == 0;
    record.interval = state_.interval;
    record.so_far = state_.so_far;
    record.settings = state_.settings;
    const double time = now();
    record.seconds = time - began_;
    record.interval_seconds = time - interval_began_;
    if (options_.on_step) {
      options_.on_step(record);
    }
    if (record.logging) {
      state_.interval = {};
      interval_began_ = now();
    }
  }

  // False if it was interrupted; the epoch then counts as not finished.
  bool finish_epoch() {
    EpochRecord record;
    // An interval may go on in the next epoch, without the time in between.
    record.training_seconds = state_.epoch_seconds;
    record.epoch = state_.epoch;
    record.run_step = state_.run_steps;
    record.training = state_.so_far;
    record.settings = state_.settings;
    if (options_.validation != nullptr && !validate(record)) {
      return false;
    }
    record.seconds = now() - began_;
    state_.epochs.push_back(record);
    if (options_.on_epoch) {
      options_.on_epoch(record);
    }
    return true;
  }

  void begin_next_epoch() {
    ++state_.epoch;
    state_.step = 0;
    state_.so_far = {};
    state_.epoch_seconds = 0.0;
    checkpoint();
  }

  bool validate(EpochRecord& record) {
    record.validation = evaluate(model_, *options_.validation,
                                 options_.validation_objective, options_.stop);
    if (interrupted()) {
      return false;
    }
    record.best = is_best(*record.validation);
    if (!record.best) {
      return true;
    }
    state_.best = *record.validation;
    state_.best_epoch = state_.epoch;
    if (state_.best_model) {
      state_.best_model->take();
    } else {
      state_.best_model.emplace(model_.state());
    }
    return true;
  }

  bool is_best(const Meter& validation) const {
    if (state_.best_model && !better(validation, state_.best)) {
      return false;
    }
    const std::vector<NamedTensor> tensors = model_.state();
    return std::isfinite(validation.loss()) &&
           std::all_of(tensors.begin(), tensors.end(), [](const auto& named) {
             return !is_floating(named.second.dtype()) ||
                    mjolnir::detail::is_finite(named.second);
           });
  }

  Module& model_;
  optim::Optimizer& optimizer_;
  const CurvatureState* curvature_;  // null for a first-order optimizer
  data::Loader& training_;
  const FitOptions& options_;

  FitResult result_;
  detail::FitState state_;
  detail::Snapshot buffers_;
  double began_ = 0.0;
  double epoch_began_ = 0.0;
  double interval_began_ = 0.0;
};

}  // namespace

FitResult fit(Module& model, optim::Optimizer& optimizer,
              data::Loader& training, const FitOptions& options) {
  if (options.epochs < 1 || options.log_every < 1) {
    throw ValueError("[fit] epochs and log_every must be at least 1, got " +
                     std::to_string(options.epochs) + " and " +
                     std::to_string(options.log_every));
  }
  if (options.checkpoint_every < 0) {
    throw ValueError("[fit] checkpoint_every must be at least 0, got " +
                     std::to_string(options.checkpoint_every));
  }
  if (training.steps() == 0) {
    throw ValueError("[fit] the training set is empty");
  }
  const detail::Claim claim(model);
  const FlushDenormals flush;  // fading weights must not slow a step down
  return Fit(model, optimizer, training, options).run();
}

}  // namespace mjolnir::train
