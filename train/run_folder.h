#pragma once

#include <string>

#include <mjolnir/train/options.h>

namespace mjolnir::train {

/**
 * Makes the folder of a run and returns its path: `out` if it is given, else
 * the first free runs/<data>-<model>-<optimizer>-<number> (number from 1)
 * below the current folder; with `resume` that folder. Throws UsageError if
 * `out` already holds a run (nothing is ever overwritten), IoError if it cannot
 * be made.
 */
std::string make_run_folder(const TrainOptions& options);

}  // namespace mjolnir::train
