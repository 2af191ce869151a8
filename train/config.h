#pragma once

#include <string>
#include <utility>
#include <vector>

#include <mjolnir/train/options.h>

namespace mjolnir::train {

/**
 * What config.json holds: every option as it was used, the versions of
 * Mjolnir and of what it is made with, how it was built, the threads, BLAS and
 * oneDNN in use, and the CPU. JSON, keys in a fixed order, no time stamp: equal
 * runs have equal files.
 */
std::string config_text(const TrainOptions& options);

/** SHA-256 of the options that decide the result: equal for runs that should be
 * equal, given one machine, build and number of threads. */
std::string config_hash(const TrainOptions& options);

/** How this library was built and what it runs on, in a line. */
std::string build_text();

/** Every option that config.json holds and its value as its flag takes it; ""
 * for one that has none. */
std::vector<std::pair<std::string, std::string>> option_texts(
    const TrainOptions& options);

/** The options in a config.json, as flags and values that
 * parse_command_line() understands; without `out`. Throws IoError for a file
 * that is not one of ours. */
std::vector<std::string> config_arguments(const std::string& path);

/** Writes config_text() to a new file; throws IoError. */
void write_config(const std::string& path, const TrainOptions& options);

}  // namespace mjolnir::train
