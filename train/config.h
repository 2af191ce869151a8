#pragma once

#include <string>

#include <mjolnir/train/options.h>

namespace mjolnir::train {

/**
 * What config.json holds: every option as it was used, the versions of
 * Mjolnir and of what it is made with, how it was built, the threads, BLAS and
 * oneDNN in use, and the CPU. JSON, keys in a fixed order, no time stamp: equal
 * runs have equal files.
 */
std::string config_text(const TrainOptions& options);

/** SHA-256 of the options but for `out`: equal for runs that should be equal,
 * given one machine, build and number of threads. */
std::string config_hash(const TrainOptions& options);

/** Writes config_text() to a new file; throws IoError. */
void write_config(const std::string& path, const TrainOptions& options);

}  // namespace mjolnir::train
