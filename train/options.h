#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>

namespace mjolnir::train {

/** A command line that cannot be run; programs exit 2. */
class UsageError : public ValueError {
 public:
  using ValueError::ValueError;
};

/**
 * What a training run is asked to do; each field is the flag of its name.
 * An empty optional takes the value that suits the optimizer, the model or
 * the data: see resolved().
 */
struct TrainOptions {
  std::string data = "fashion-mnist";
  std::string data_dir = {};  ///< Empty: see docs/training.md.
  std::optional<std::int64_t> validation = {};  ///< Training images set aside.
  std::string augment = "auto";

  std::string model = "resnet8";
  std::optional<std::int64_t> width = {};

  std::string optimizer = "thor";
  std::int64_t epochs = 8;
  std::int64_t batch = 128;
  std::optional<double> learning_rate = {};
  std::string schedule = "linear";
  double warmup = 0.1;  ///< Share of the run's steps.
  double momentum = 0.9;
  bool nesterov = false;
  std::optional<double> weight_decay = {};
  double label_smoothing = 0.0;

  std::optional<double> damping = {};
  std::int64_t frequency = 20;         ///< Steps from one look to the next.
  std::string refresh_rule = "fixed";  ///< What a look leads to.
  std::optional<std::int64_t> split_dim = {};  ///< 0: factors are not cut.
  std::string statistics = "per-sample";

  std::int64_t seed = 1;
  std::int64_t threads = 0;  ///< 0: every core this process may use.
  std::int64_t log_every = 50;
  std::int64_t report_curvature = 0;  ///< Steps between reports; 0: none.
  bool tensorboard = false;           ///< Also an event file.
  bool no_report = false;             ///< No report.html.
  std::string out = {};  ///< Empty: the next free folder below runs/.

  std::int64_t checkpoint_every = 0;  ///< Steps; 0: at ends of epochs alone.
  std::int64_t keep = 2;              ///< Newest checkpoints; 0: none is made.
  std::string on_divergence = "stop";
  std::string resume = {};  ///< The folder of a run to go on with.
  bool force = false;       ///< Resumes with other options as well.
};

/** What parse_command_line() found. */
struct CommandLine {
  TrainOptions options;
  /** Not empty: print it to stdout and exit 0 (--help, --version). */
  std::string message;
  /** Flags that were given but mean nothing here, a sentence each. */
  std::vector<std::string> notes;
};

/**
 * Reads the flags of `./mjolnir train`. Throws UsageError for an unknown
 * flag or value, a wrong type or a value out of range; its text names the
 * flag, what is allowed, and the nearest spelling.
 */
CommandLine parse_command_line(int argc, const char* const* argv);

/** Reads the flags of `./mjolnir explain`: those that decide the model, the
 * batch and the split. Throws like parse_command_line(). */
CommandLine parse_explain_command_line(int argc, const char* const* argv);

/** The values that --model takes. */
const std::vector<std::string>& model_names();

/** The options with every empty optional filled in and `augment` decided. */
TrainOptions resolved(TrainOptions options);

}  // namespace mjolnir::train
