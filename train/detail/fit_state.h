#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <mjolnir/core/state.h>
#include <mjolnir/data/loader.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/train/fit.h>

#include "train/detail/snapshot.h"

namespace mjolnir::train::detail {

/** Where fit() stands, beside model, optimizer and loader. */
struct FitState {
  std::int64_t epoch = 1;  ///< The one that runs, or is to begin.
  std::int64_t step = 0;   ///< Batches of it so far.
  std::int64_t run_steps = 0;
  std::int64_t skipped = 0;
  std::int64_t skipped_in_row = 0;
  Meter so_far;    ///< Of the epoch.
  Meter interval;  ///< Since the last logging step.
  StepSettings settings;
  std::vector<EpochRecord> epochs;
  std::int64_t best_epoch = 0;
  Meter best;
  std::optional<Snapshot> best_model;
  double seconds = 0.0;           ///< Of the run,
  double epoch_seconds = 0.0;     ///< of training in the epoch,
  double interval_seconds = 0.0;  ///< and in the interval.
  std::uint64_t loader_key = 0;
  std::int64_t loader_epoch = 0;  ///< What the loader calls epoch 1.

  /** `steps` of the loader in an epoch. */
  void visit(StateVisitor& visitor, const Module& model, std::int64_t steps);
};

/** Parameters, buffers, and what else the modules keep. */
void visit_model(StateVisitor& visitor, Module& model);

}  // namespace mjolnir::train::detail
