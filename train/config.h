#pragma once

#include <string>

#include <mjolnir/train/options.h>

namespace mjolnir::train {

/**
 * What config.json holds: every option as it was used, the versions of
 * Mjolnir, xtensor, oneDNN and OpenBLAS, the threads, and the CPU. JSON,
 * keys in a fixed order, no time stamp: equal runs have equal files.
 */
std::string config_text(const TrainOptions& options);

/** Writes config_text() to a new file; throws IoError. */
void write_config(const std::string& path, const TrainOptions& options);

}  // namespace mjolnir::train
