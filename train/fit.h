#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <mjolnir/core/state.h>
#include <mjolnir/data/loader.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/optim/optimizer.h>
#include <mjolnir/train/meter.h>
#include <mjolnir/train/objective.h>

namespace mjolnir::train {

/** The settings an optimizer step used. */
struct StepSettings {
  double learning_rate = 0.0;
  /** Of an optimizer with curvature (a CurvatureState). */
  std::optional<double> damping;
  /** Refreshes so far, of the layer that had most. */
  std::optional<std::int64_t> refreshes;
};

/** Where a run stands after an optimizer step. */
struct StepRecord {
  std::int64_t epoch = 0;     ///< From 1.
  std::int64_t step = 0;      ///< In the epoch, from 1.
  std::int64_t steps = 0;     ///< In every epoch.
  std::int64_t run_step = 0;  ///< In the whole run, from 1.
  bool logging = false;       ///< Every log_every steps.
  Meter interval;             ///< Since the last logging step.
  Meter so_far;               ///< Of this epoch.
  StepSettings settings;
  double seconds = 0.0;           ///< Since the run began.
  double interval_seconds = 0.0;  ///< Of training, since the last logging step.
};

/** What an epoch came to. */
struct EpochRecord {
  std::int64_t epoch = 0;     ///< From 1.
  std::int64_t run_step = 0;  ///< Steps of the run at its end.
  Meter training;
  std::optional<Meter> validation;
  StepSettings settings;          ///< Of its last step.
  double seconds = 0.0;           ///< Since the run began.
  double training_seconds = 0.0;  ///< In this epoch, validation not counted.
  bool best = false;              ///< Better than every epoch before.
};

/** All that a run needs to go on, at some moment between two steps. */
struct FitCheckpoint {
  SavedState state;           ///< For FitOptions::resume.
  std::int64_t epoch = 0;     ///< Complete ones,
  std::int64_t step = 0;      ///< and steps in the one that follows.
  std::int64_t run_step = 0;  ///< Steps of the run.
  /** Steps of the run after its best epoch so far; 0 for none. */
  std::int64_t best_run_step = 0;
};

/** What becomes of a step whose loss or gradient is not finite; the parameters,
 * buffers and the optimizer are as they were before it in any case. */
enum class OnDivergence : std::uint8_t {
  Stop,   ///< The run ends.
  Skip,   ///< The batch is left out.
  Lower,  ///< The batch is left out, and the learning rate halved for good.
};

/** Options of fit(). */
struct FitOptions {
  std::int64_t epochs = 1;
  std::int64_t log_every = 50;
  Objective objective = classification();
  /** Evaluated after each epoch; null: no validation. */
  data::Loader* validation = nullptr;
  Objective validation_objective = classification();
  std::function<void(const StepRecord&)> on_step = {};
  std::function<void(const EpochRecord&)> on_epoch = {};
  /** Asked after each step and each batch of a validation; true ends the run
   * there. */
  std::function<bool()> stop = {};
  OnDivergence on_divergence = OnDivergence::Stop;
  /** Takes a checkpoint after every epoch, when `stop` ends the run, and every
   * `checkpoint_every` steps (0: not within epochs). Empty: none is made. */
  std::function<void(FitCheckpoint)> on_checkpoint = {};
  std::int64_t checkpoint_every = 0;
  /** The state of a run to go on with, in the place of a beginning; read
   * before fit() does anything else. Null: begin. */
  const SavedState* resume = nullptr;
  /** Called when that is done and the first step is to come. */
  std::function<void()> on_begin = {};
};

/** Batches that are left out one after the other before fit() gives up. */
constexpr int most_skipped = 10;

enum class FitStatus : std::uint8_t { Completed, Diverged, Interrupted };

/** How a run ended. */
struct FitResult {
  FitStatus status = FitStatus::Completed;
  std::vector<EpochRecord> epochs;  ///< The complete ones.
  std::int64_t best_epoch = 0;      ///< 0 without validation.
  std::int64_t run_steps = 0;       ///< Steps taken.
  std::int64_t skipped = 0;         ///< Batches left out; see OnDivergence.
  double seconds = 0.0;
  std::string reason;  ///< Diverged: what was not finite, and where.
};

/**
 * Trains a model: for each batch zero_grad, forward, loss, backward, step.
 *
 * With validation the model ends with the parameters and buffers of the best
 * epoch: the highest validation accuracy (the lowest loss where the task has
 * no accuracy), the earlier one of equals. Without it, those of the last
 * step. An epoch whose validation loss, parameters or buffers are not finite
 * is never the best.
 *
 * A loss or gradient that is not finite ends the run as Diverged, with the
 * parameters and buffers as they were before that step, bit for bit; with
 * OnDivergence an event (topic "divergence") tells and the run goes on, unless
 * `most_skipped` batches in a row were left out.
 *
 * Whatever else model, optimizer or loader throw leaves fit() with parameters
 * and buffers as they were before that step, too.
 *
 * Different models may be trained by different threads at a time; a model that
 * is in another fit() is refused (ValueError).
 *
 * With `resume` the run goes on where that state was taken, within an epoch as
 * well: with the same data, options, seed and number of threads the steps,
 * records and parameters are those of the unbroken run, bit for bit. The
 * loader's options may differ in workers and prefetch, `log_every`, `epochs`
 * and `stop` at will. Throws ValueError that lists every difference if the
 * state is that of another model or optimizer; nothing was changed then.
 */
FitResult fit(Module& model, optim::Optimizer& optimizer,
              data::Loader& training, const FitOptions& options);

}  // namespace mjolnir::train
