#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include <mjolnir/train/program/console.h>

namespace mjolnir::train {

/** What the progress line tells. */
struct ProgressState {
  std::int64_t epoch = 0;  ///< From 1.
  std::int64_t epochs = 0;
  std::int64_t step = 0;  ///< In this epoch, from 1.
  std::int64_t steps = 0;
  double loss = 0.0;               ///< Mean of the epoch so far.
  std::optional<double> accuracy;  ///< 0..1, of the epoch so far.
  double standard_error = 0.0;     ///< Of the accuracy.
  double images_per_second = 0.0;
  double learning_rate = 0.0;
  std::optional<double> damping;
  std::optional<std::int64_t> refreshes;
  double seconds_left = -1.0;  ///< Below 0: not known yet.
};

/** "epoch 2/5  step 120/430  loss 0.3120  accuracy 88.90 +- 0.25 %  ...", or
 * where that does not fit into `columns` "2/5 120/430 loss 0.312 acc ...", all
 * of it in 79; in order of importance, since a narrower terminal cuts it. */
std::string progress_text(const ProgressState& state,
                          int columns = std::numeric_limits<int>::max());

/**
 * Seconds that a run still needs, from those it took so far. Time is taken
 * from a clock that cannot go back; the result is never negative.
 */
double seconds_left(double elapsed, std::int64_t done, std::int64_t total);

/** Shows progress: redrawn in place on a live console, otherwise as a line
 * whenever `milestone` is true. */
void show_progress(Console& console, const ProgressState& state,
                   bool milestone);

}  // namespace mjolnir::train
