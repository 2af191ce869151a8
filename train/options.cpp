#include "train/options.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <limits>
#include <utility>

#include "train/detail/text.h"

namespace mjolnir::train {

namespace {

const std::vector<std::string> data_names = {
    "fashion-mnist", "mnist", "cifar10", "cifar100", "synthetic"};
const std::vector<std::string> augment_names = {
    "auto", "none", "crop", "flip", "crop-flip", "crop-flip-cutout"};
const std::vector<std::string> model_names = {
    "resnet8",   "resnet20", "resnet32", "resnet44", "resnet56",
    "resnet110", "resnet18", "lenet5",   "mlp"};
const std::vector<std::string> optimizer_names = {"thor", "sgd", "adamw"};
const std::vector<std::string> schedule_names = {"constant", "cosine", "linear",
                                                 "step", "thor"};
const std::vector<std::string> statistics_names = {"per-sample",
                                                   "mindspore-gpu"};
const std::vector<std::string> rule_names = {"fixed", "thor", "thor-stop",
                                             "thor-nt"};
const std::vector<std::string> divergence_names = {"stop", "skip", "lower"};
constexpr double infinity = std::numeric_limits<double>::infinity();

// The parser and the values of one command line: each method declares a flag.
class Flags {
 public:
  Flags(const std::string& what, const std::string& program)
      : app_(what, program) {
    app_.allow_extras();
    app_.set_version_flag("--version", "mjolnir " MJOLNIR_VERSION);
    app_.get_formatter()->column_width(31);
  }

  void group(const std::string& name) { group_ = name; }

  void text(const std::string& flag, std::string& target,
            const std::string& type, const std::string& help) {
    declare(flag, type, target, help,
            [&target](const std::string& given) { target = given; });
  }

  void choice(const std::string& flag, std::string& target,
              const std::vector<std::string>& allowed, const std::string& help,
              const std::string& note = "") {
    declare(flag, "NAME", target,
            help + ":\n" + wrapped(allowed) + (note.empty() ? "" : "\n" + note),
            [flag, &target, allowed](const std::string& given) {
              for (const std::string& name : allowed) {
                if (name == given) {
                  target = given;
                  return;
                }
              }
              const std::string near = detail::nearest(given, allowed);
              throw UsageError(
                  flag + ": no such value '" + given +
                  "'; allowed: " + detail::join(allowed) +
                  (near.empty() ? "" : "; did you mean '" + near + "'?"));
            });
  }

  template <class Target>  // std::int64_t or an optional one
  void integer(const std::string& flag, Target& target, std::int64_t low,
               std::int64_t high, const std::string& standard,
               const std::string& help) {
    declare(flag, "N", standard, help, [=, &target](const std::string& given) {
      const auto value = detail::to_integer(given);
      if (!value || *value < low || *value > high) {
        throw UsageError(flag + ": expected an integer from " +
                         std::to_string(low) + " to " + std::to_string(high) +
                         ", got '" + given + "'");
      }
      target = *value;
    });
  }

  /** A number in [low, high], or in [low, high) if `open`. */
  template <class Target>  // double or an optional one
  void number(const std::string& flag, Target& target, double low, double high,
              bool open, const std::string& standard, const std::string& help) {
    declare(flag, "X", standard, help, [=, &target](const std::string& given) {
      const auto value = detail::to_double(given);
      const bool fits =
          value && *value >= low && (open ? *value < high : *value <= high);
      if (!fits) {
        const bool bounded = high != infinity;
        const std::string upper =
            bounded ? (open ? " to below " : " to ") + detail::shortest(high)
                    : " or more";
        throw UsageError(flag + ": expected a " + (bounded ? "" : "finite ") +
                         "number, " + detail::shortest(low) + upper +
                         ", got '" + given + "'");
      }
      target = *value;
    });
  }

  void flag(const std::string& flag, bool& target, const std::string& help) {
    names_.push_back(flag);
    app_.add_flag(flag, target, with_default(help, "off"))->group(group_);
  }

  /** True if the flag was given. */
  bool given(const std::string& flag) const { return app_.count(flag) > 0; }

  /** The text of --help or --version, "" if neither was asked for. */
  std::string parse(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      return without_double_blanks(app_.help());
    } catch (const CLI::CallForVersion& version) {
      return std::string(version.what()) + "\n";
    } catch (const CLI::ArgumentMismatch& error) {
      throw UsageError(flag_in(error) + ": needs a value after it");
    } catch (const CLI::ConversionError& error) {
      throw UsageError(flag_in(error) +
                       ": takes no value; leave it away for off");
    } catch (const CLI::ParseError& error) {
      throw UsageError(error.what());
    }
    refuse_extras();
    return "";
  }

 private:
  void declare(const std::string& flag, const std::string& type,
               const std::string& standard, const std::string& help,
               std::function<void(const std::string&)> set) {
    names_.push_back(flag);
    app_.add_option_function<std::string>(flag, std::move(set),
                                          with_default(help, standard))
        ->type_name(type)
        ->take_last()
        ->group(group_);
  }

  // "... [default: 8]", on a line of its own where the last one is full.
  static std::string with_default(const std::string& help,
                                  const std::string& standard) {
    if (standard.empty()) {
      return help;
    }
    const std::string note = "[default: " + standard + "]";
    const std::size_t last = help.size() - (help.rfind('\n') + 1);
    return help + (last + note.size() + 1 > help_columns ? "\n" : " ") + note;
  }

  // CLI11 leaves two empty lines between groups.
  static std::string without_double_blanks(std::string text) {
    for (std::size_t at = 0;
         (at = text.find("\n\n\n", at)) != std::string::npos;) {
      text.erase(at, 1);
    }
    return text;
  }

  // The flag that an error of the parser is about.
  static std::string flag_in(const CLI::ParseError& error) {
    const std::string text = error.what();
    return text.substr(0, text.find(':'));
  }

  void refuse_extras() const {
    const std::vector<std::string> extras = app_.remaining();
    if (extras.empty()) {
      return;
    }
    const std::string word = extras[0].substr(0, extras[0].find('='));
    if (word.empty() || word[0] != '-') {
      throw UsageError("'" + word + "': unexpected (flags begin with --; " +
                       "--help lists them)");
    }
    const std::string near = detail::nearest(word, names_);
    throw UsageError(word + ": no such flag" +
                     (near.empty() ? "" : "; did you mean '" + near + "'?") +
                     " (--help lists all)");
  }

  static std::string wrapped(const std::vector<std::string>& words) {
    std::string text;
    std::size_t column = 0;
    for (const std::string& word : words) {
      const bool last = &word == &words.back();
      const bool full = column + word.size() + 2 > help_columns;
      if (column > 0) {
        text += full ? "\n" : " ";
      }
      text += word + (last ? "" : ",");
      column = (full ? 0 : column + 1) + word.size() + 1;
    }
    return text;
  }

  static constexpr std::size_t help_columns = 48;

  CLI::App app_;
  std::string group_;
  std::vector<std::string> names_ = {"--help", "--version"};
};

// The learning rate and damping that docs/defaults.md found for a model.
struct Tuned {
  double learning_rate;
  double damping;
};

Tuned tuned(const TrainOptions& o) {
  if (o.optimizer != "thor") {
    return {o.optimizer == "sgd" ? 0.1 : 0.001, 0.0};
  }
  if (o.model == "lenet5" || o.model == "mlp") {
    return {0.05, 0.3};
  }
  return {0.2, 0.1};
}

void declare_model(Flags& flags, TrainOptions& o) {
  flags.group("Model");
  flags.choice("--model", o.model, model_names, "Network to train");
  flags.integer("--width", o.width, 1, 4096, "",
                "Channels of its first stage (default: resnet 16,\n"
                "resnet18 64, lenet5 6); hidden units of the mlp\n"
                "(default 256)");
}

void declare_batch(Flags& flags, TrainOptions& o) {
  flags.integer("--batch", o.batch, 1, 1'000'000, std::to_string(o.batch),
                "Images per step");
}

void declare_split(Flags& flags, TrainOptions& o) {
  flags.integer("--split-dim", o.split_dim, 0, 1'000'000, "",
                "Largest block of a factor that is inverted; 0:\n"
                "no split (default: per-sample 0, mindspore-gpu\n"
                "128)");
}

void declare_flags(Flags& flags, TrainOptions& o) {
  flags.group("Data");
  flags.choice("--data", o.data, data_names, "What to train on");
  flags.text("--data-dir", o.data_dir, "FOLDER",
             "Where its files are (default: MJOLNIR_DATA_DIR,\n"
             "then the user's and the system's data folders)");
  flags.integer("--validation", o.validation, 0, 10'000'000, "",
                "Training images set aside, drawn by the seed, to\n"
                "find the best epoch, which is kept (default 5000,\n"
                "synthetic 400); 0: none, the last epoch is kept.\n"
                "The test set is used once, at the end");
  flags.choice("--augment", o.augment, augment_names,
               "Random changes of the training images",
               "auto is crop-flip (mnist: crop, synthetic: none)");

  declare_model(flags, o);

  flags.group("Optimizer");
  flags.choice("--optimizer", o.optimizer, optimizer_names,
               "How a step follows from the gradient",
               "by the curvature of each layer, with momentum,\n"
               "or by running moments");
  flags.integer("--epochs", o.epochs, 1, 1'000'000, std::to_string(o.epochs),
                "Passes over the training images");
  declare_batch(flags, o);
  flags.number("--learning-rate", o.learning_rate, 0.0, infinity, true, "",
               "The largest learning rate (default: thor 0.2,\n"
               "with lenet5 and mlp 0.05; sgd 0.1; adamw 0.001)");
  flags.choice("--schedule", o.schedule, schedule_names,
               "How the rate falls after the warm-up",
               "not at all; to 0; to 0; to a tenth, then to a\n"
               "hundredth; as published, with the damping");
  flags.number("--warmup", o.warmup, 0.0, 1.0, true, detail::shortest(o.warmup),
               "Share of the run in which the rate rises from 0");
  flags.number("--momentum", o.momentum, 0.0, 1.0, true,
               detail::shortest(o.momentum),
               "Momentum of thor and sgd; beta1 of adamw");
  flags.flag("--nesterov", o.nesterov, "Nesterov's momentum (thor, sgd)");
  flags.number("--weight-decay", o.weight_decay, 0.0, infinity, true, "",
               "Times the weight, added to the step (default:\n"
               "thor and sgd 0.0005, adamw 0.01)");
  flags.number("--label-smoothing", o.label_smoothing, 0.0, 1.0, true,
               detail::shortest(o.label_smoothing),
               "Share of the target spread over all classes");

  flags.group("THOR");
  flags.number("--damping", o.damping, 0.0, infinity, true, "",
               "Added to the curvature before it is inverted:\n"
               "the larger, the closer to sgd; tune it together\n"
               "with the rate (default 0.1, with lenet5 and mlp\n"
               "0.3)");
  flags.integer("--frequency", o.frequency, 1, 1'000'000,
                std::to_string(o.frequency),
                "Steps from one look at the layers to the next");
  flags.choice("--refresh-rule", o.refresh_rule, rule_names,
               "When a look renews factors and inverses",
               "always; as published: if the layer's trace has\n"
               "changed by 1 %; also freeze it below 0.1 %;\n"
               "always");
  declare_split(flags, o);
  flags.choice("--statistics", o.statistics, statistics_names,
               "What the factors average",
               "outer products of every image, or those of the\n"
               "batch's mean, as MindSpore does on a GPU");

  flags.group("Run");
  flags.integer("--seed", o.seed, 0, std::numeric_limits<std::int64_t>::max(),
                std::to_string(o.seed), "Seed of everything random");
  flags.integer("--threads", o.threads, 0, 4096, std::to_string(o.threads),
                "Threads; 0: every core this process may use");
  flags.integer("--log-every", o.log_every, 1, 1'000'000,
                std::to_string(o.log_every),
                "Steps from one row of metrics.csv to the next");
  flags.integer("--report-curvature", o.report_curvature, 0, 1'000'000,
                std::to_string(o.report_curvature),
                "Steps from one report on the curvature to the\n"
                "next, in metrics.csv; 0: none");
  flags.text("--out", o.out, "FOLDER",
             "Where the files go (default: the next free\n"
             "runs/<data>-<model>-<optimizer>-<number>)");

  flags.group("Survival");
  flags.integer("--checkpoint-every", o.checkpoint_every, 0, 1'000'000'000,
                std::to_string(o.checkpoint_every),
                "Steps from one checkpoint to the next, beside\n"
                "those at the end of each epoch; 0: those alone");
  flags.integer("--keep", o.keep, 0, 1'000'000, std::to_string(o.keep),
                "Newest checkpoints that stay, beside that of the\n"
                "best epoch; 0: none is made");
  flags.choice("--on-divergence", o.on_divergence, divergence_names,
               "What follows a loss or gradient that is not\nfinite",
               "the end (exit code 3); leave the batch out; and\n"
               "halve the learning rate");
  flags.text("--resume", o.resume, "FOLDER",
             "Goes on with the run in that folder, from its\n"
             "newest whole checkpoint, with its options");
  flags.flag("--force", o.force,
             "Resumes although other options are asked for");
}

std::vector<std::string> idle_flags(const Flags& flags, const TrainOptions& o) {
  std::vector<std::string> notes;
  const auto check = [&](const std::string& flag, bool used) {
    if (!used && flags.given(flag)) {
      notes.push_back(flag + " has no effect with --optimizer " + o.optimizer);
    }
  };
  for (const char* flag :
       {"--damping", "--frequency", "--refresh-rule", "--split-dim",
        "--statistics", "--report-curvature"}) {
    check(flag, o.optimizer == "thor");
  }
  check("--nesterov", o.optimizer != "adamw");
  if (flags.given("--data-dir") && o.data == "synthetic") {
    notes.push_back("--data-dir has no effect with --data synthetic");
  }
  return notes;
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine line;
  Flags flags("Trains a network and writes what it learned.",
              "./mjolnir train");
  declare_flags(flags, line.options);
  line.message = flags.parse(argc, argv);
  if (line.message.empty()) {
    if (line.options.nesterov && line.options.momentum == 0.0) {
      throw UsageError("--nesterov: needs a --momentum above 0");
    }
    if (line.options.refresh_rule != "fixed" && line.options.frequency < 2) {
      throw UsageError("--frequency: expected at least 2 with --refresh-rule " +
                       line.options.refresh_rule + ", got 1");
    }
    line.notes = idle_flags(flags, line.options);
  }
  return line;
}

CommandLine parse_explain_command_line(int argc, const char* const* argv) {
  CommandLine line;
  Flags flags(
      "Shows what second-order training of a network costs and covers,\n"
      "without training it.",
      "./mjolnir explain");
  flags.group("Data");
  flags.choice("--data", line.options.data, data_names,
               "What its images look like; no file is read");
  declare_model(flags, line.options);
  flags.group("THOR");
  declare_batch(flags, line.options);
  declare_split(flags, line.options);
  line.message = flags.parse(argc, argv);
  return line;
}

TrainOptions resolved(TrainOptions o) {
  const bool adamw = o.optimizer == "adamw";
  if (!o.learning_rate) {
    o.learning_rate = tuned(o).learning_rate;
  }
  if (!o.damping && o.optimizer == "thor") {
    o.damping = tuned(o).damping;
  }
  if (!o.weight_decay) {
    o.weight_decay = adamw ? 0.01 : 5e-4;
  }
  if (!o.validation) {
    o.validation = o.data == "synthetic" ? 400 : 5000;
  }
  if (!o.split_dim) {
    o.split_dim = o.statistics == "mindspore-gpu" ? 128 : 0;
  }
  if (!o.width) {
    o.width = o.model == "resnet18" ? 64
              : o.model == "mlp"    ? 256
              : o.model == "lenet5" ? 6
                                    : 16;
  }
  if (o.augment == "auto") {
    const bool digits = o.data == "mnist";
    const bool synthetic = o.data == "synthetic";
    o.augment = synthetic ? "none" : digits ? "crop" : "crop-flip";
  }
  return o;
}

}  // namespace mjolnir::train
