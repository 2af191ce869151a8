#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <mjolnir/train/metrics/metrics_reader.h>
#include <mjolnir/train/run_result.h>

namespace mjolnir::train {

/** Names and values, in order. */
using NamedTexts = std::vector<std::pair<std::string, std::string>>;

/** What the folder of a run tells about it, whether it is over or not. */
struct RunData {
  std::string folder = {};
  std::string name = {};         ///< The folder's own.
  NamedTexts options = {};       ///< As in config.json: "batch", "128".
  NamedTexts surroundings = {};  ///< The rest of it: versions, threads, CPU.
  Metrics metrics = {};
  std::vector<RefreshDecision> decisions = {};  ///< Of decisions.csv.
  std::optional<RunResult> result = {};         ///< Of result.json.
  /** 0: not known before the first epoch is complete. */
  std::int64_t steps_per_epoch = 0;

  /** An option's value; "" if there is no such option. */
  std::string option(const std::string& name) const;
  /** The same as a number; 0 if it is none. */
  std::int64_t count(const std::string& name) const;
};

/** Takes config.json apart, into the options and surroundings of a run. Throws
 * IoError, which calls the file `name`, for bytes that are none. */
void parse_config(const io::Bytes& bytes, const std::string& name,
                  RunData& run);

/**
 * Reads the folder of a run: config.json and metrics.csv, which every run has,
 * and where they are decisions.csv and result.json. Throws UsageError for a
 * folder that is none of a run, IoError for files that cannot be read.
 */
RunData read_run(const std::string& folder);

/** What a curve may be drawn against. */
enum class RunAxis { Step, Epoch, Time };

/** Where a step lies on an axis; `seconds` since the run began. An epoch counts
 * from 0, in parts; NaN if the steps per epoch are not known. */
double position(const RunData& run, RunAxis axis, double step, double seconds);

/** When a step was taken, by the rows before and after it. */
double seconds_at(const RunData& run, double step);

/** Binomial standard error of an accuracy on so many images; 0 for none. */
double standard_error(double accuracy, double images);

/** The epoch with the highest validation accuracy, or the lowest validation
 * loss where no epoch has an accuracy; null without validation. */
const MetricsRow* best_epoch(const RunData& run);

/** The first epoch whose validation accuracy is at least this; null if none
 * is. */
const MetricsRow* first_to_reach(const RunData& run, double accuracy);

}  // namespace mjolnir::train
