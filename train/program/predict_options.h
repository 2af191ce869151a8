#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/train/options.h>

namespace mjolnir::train {

/** What `./mjolnir predict` is asked to do. */
struct PredictOptions {
  std::string model = {};                ///< A file, or a run's folder.
  std::vector<std::string> images = {};  ///< PNG or JPEG files.
  std::int64_t top = 1;                  ///< Classes told per image.
  std::int64_t threads = 0;  ///< 0: every core this process may use.
};

/** What parse_predict_command_line() found. */
struct PredictCommandLine {
  PredictOptions options = {};
  /** Not empty: print it to stdout and exit 0 (--help, --version). */
  std::string message = {};
};

/** Reads the flags of `./mjolnir predict`. Throws UsageError as
 * parse_command_line() does, and without --model or an image. */
PredictCommandLine parse_predict_command_line(int argc,
                                              const char* const* argv);

}  // namespace mjolnir::train
