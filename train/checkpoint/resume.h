#pragma once

#include <string>
#include <vector>

#include <mjolnir/train/options.h>

namespace mjolnir::train {

/**
 * Reads the command line of `./mjolnir train`. With --resume the options are
 * those of that run's config.json, and flags change them. Throws UsageError
 * like parse_command_line(), and if flags ask for what would make it another
 * run, a line each, unless --force is given; IoError for a config.json that
 * cannot be read.
 */
CommandLine read_command_line(int argc, const char* const* argv);

/** What makes `now` another run than `before`, a line each: every option but
 * those that may change at a resumption. */
std::vector<std::string> differences(const TrainOptions& before,
                                     const TrainOptions& now);

}  // namespace mjolnir::train
