#pragma once

#include <string>

#include <mjolnir/train/options.h>

namespace mjolnir::train {

/** What `./mjolnir export` is asked to do. */
struct ExportOptions {
  std::string model = {};  ///< A file, or a run's folder.
  std::string out = {};    ///< The ONNX file; empty: beside the model.
};

/** What parse_export_command_line() found. */
struct ExportCommandLine {
  ExportOptions options = {};
  /** Not empty: print it to stdout and exit 0 (--help, --version). */
  std::string message = {};
};

/** Reads the flags of `./mjolnir export`. Throws UsageError as
 * parse_command_line() does, and without --model. `out` is never empty
 * afterwards: model.onnx beside model.safetensors, or in the run's folder. */
ExportCommandLine parse_export_command_line(int argc, const char* const* argv);

}  // namespace mjolnir::train
