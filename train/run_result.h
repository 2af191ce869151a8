#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <mjolnir/io/file.h>
#include <mjolnir/train/fit.h>
#include <mjolnir/train/meter.h>

namespace mjolnir::train {

/** How a run ended and what it came to: what result.json holds. */
struct RunResult {
  FitStatus status = FitStatus::Completed;
  std::string reason = {};  ///< Diverged: what was not finite, and where.
  std::int64_t steps = 0;
  std::int64_t epochs = 0;      ///< Complete ones.
  std::int64_t best_epoch = 0;  ///< 0 without validation.
  double seconds = 0.0;
  std::optional<Meter> test = {};  ///< Of the test images.
};

/** "completed", "diverged" or "interrupted". */
const char* name_of(FitStatus status) noexcept;

/** Writes result.json; throws IoError. */
void write_result(const std::string& path, const FitResult& result,
                  const std::optional<Meter>& test);

/** Takes result.json apart. Throws IoError, which calls the file `name`, for
 * bytes that are none. */
RunResult parse_result(const io::Bytes& bytes, const std::string& name);
/** The same of a file; throws IoError if it cannot be read. */
RunResult read_result(const std::string& path);

}  // namespace mjolnir::train
