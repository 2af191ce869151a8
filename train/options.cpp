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
constexpr double infinity = std::numeric_limits<double>::infinity();

// The parser and the values of one command line: each method declares a flag.
class Flags {
 public:
  Flags()
      : app_("Trains a network and writes what it learned.",
             "./mjolnir train") {
    app_.allow_extras();
    app_.set_version_flag("--version", "mjolnir " MJOLNIR_VERSION);
    app_.get_formatter()->column_width(34);
  }

  void group(const std::string& name) { group_ = name; }

  void text(const std::string& flag, std::string& target,
            const std::string& type, const std::string& help) {
    declare(flag, type, target, help,
            [&target](const std::string& given) { target = given; });
  }

  void choice(const std::string& flag, std::string& target,
              const std::vector<std::string>& allowed,
              const std::string& help) {
    declare(flag, "NAME", target, help + ":\n" + wrapped(allowed),
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
        const std::string upper =
            high == infinity
                ? " or more"
                : (open ? " to below " : " to ") + detail::shortest(high);
        throw UsageError(flag + ": expected a number, " +
                         detail::shortest(low) + upper + ", got '" + given +
                         "'");
      }
      target = *value;
    });
  }

  void flag(const std::string& flag, bool& target, const std::string& help) {
    names_.push_back(flag);
    app_.add_flag(flag, target, help)->group(group_);
  }

  /** True if the flag was given. */
  bool given(const std::string& flag) const { return app_.count(flag) > 0; }

  /** The text of --help or --version, "" if neither was asked for. */
  std::string parse(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      return app_.help();
    } catch (const CLI::CallForVersion& version) {
      return std::string(version.what()) + "\n";
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
    app_.add_option_function<std::string>(flag, std::move(set), help)
        ->type_name(type)
        ->default_str(standard)
        ->group(group_);
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
      if (column + word.size() > 44) {
        text += "\n";
        column = 0;
      }
      text += word + (last ? "" : ", ");
      column += word.size() + 2;
    }
    return text;
  }

  CLI::App app_;
  std::string group_;
  std::vector<std::string> names_ = {"--help", "--version"};
};

void declare_flags(Flags& flags, TrainOptions& o) {
  flags.group("Data");
  flags.choice("--data", o.data, data_names, "What to train on");
  flags.text("--data-dir", o.data_dir, "FOLDER", "Where its files are");
  flags.integer("--validation", o.validation, 0, 10'000'000, "",
                "Training images set aside to find the best epoch\n"
                "(default 5000, synthetic 400); 0: none, the last\n"
                "epoch is kept");
  flags.choice("--augment", o.augment, augment_names,
               "Random changes of the training images");

  flags.group("Model");
  flags.choice("--model", o.model, model_names, "Network");
  flags.integer("--width", o.width, 1, 4096, "",
                "Channels of the first stage (default: resnet 16,\n"
                "resnet18 64, lenet5 6), hidden units of the mlp (256)");

  flags.group("Optimizer");
  flags.choice("--optimizer", o.optimizer, optimizer_names, "Method");
  flags.integer("--epochs", o.epochs, 1, 1'000'000, std::to_string(o.epochs),
                "Passes over the training images");
  flags.integer("--batch", o.batch, 1, 1'000'000, std::to_string(o.batch),
                "Images per step");
  flags.number("--learning-rate", o.learning_rate, 0.0, infinity, true, "",
               "Largest learning rate\n"
               "(default: thor 0.2, sgd 0.1, adamw 0.001)");
  flags.choice("--schedule", o.schedule, schedule_names,
               "How the learning rate falls");
  flags.number("--warmup", o.warmup, 0.0, 1.0, true, detail::shortest(o.warmup),
               "Share of the run in which the learning rate rises");
  flags.number("--momentum", o.momentum, 0.0, 1.0, true,
               detail::shortest(o.momentum),
               "Momentum of thor and sgd; beta1 of adamw");
  flags.flag("--nesterov", o.nesterov, "Nesterov's momentum (thor, sgd)");
  flags.number("--weight-decay", o.weight_decay, 0.0, infinity, true, "",
               "Weight decay (default: thor and sgd 0.0005,\n"
               "adamw 0.01)");
  flags.number("--label-smoothing", o.label_smoothing, 0.0, 1.0, true,
               detail::shortest(o.label_smoothing),
               "Share of the target spread over all classes");

  flags.group("THOR");
  flags.number("--damping", o.damping, 0.0, infinity, true,
               detail::shortest(o.damping), "Damping lambda");
  flags.integer("--frequency", o.frequency, 1, 1'000'000,
                std::to_string(o.frequency),
                "Steps from one refresh of the factors to the next");
  flags.integer("--split-dim", o.split_dim, 0, 1'000'000, "",
                "Largest block of a factor that is inverted; 0: no\n"
                "split (default: per-sample 0, mindspore-gpu 128)");
  flags.choice("--statistics", o.statistics, statistics_names,
               "What the factors average");

  flags.group("Run");
  flags.integer("--seed", o.seed, 0, std::numeric_limits<std::int64_t>::max(),
                std::to_string(o.seed), "Seed of everything random");
  flags.integer("--threads", o.threads, 0, 4096, std::to_string(o.threads),
                "Threads; 0: every core this process may use");
  flags.integer("--log-every", o.log_every, 1, 1'000'000,
                std::to_string(o.log_every),
                "Steps from one row of metrics.csv to the next");
  flags.text("--out", o.out, "FOLDER",
             "Where the files go (default: the next free\n"
             "runs/<data>-<model>-<optimizer>-<number>)");
}

std::vector<std::string> idle_flags(const Flags& flags, const TrainOptions& o) {
  std::vector<std::string> notes;
  const auto check = [&](const std::string& flag, bool used) {
    if (!used && flags.given(flag)) {
      notes.push_back(flag + " has no effect with --optimizer " + o.optimizer);
    }
  };
  for (const char* flag :
       {"--damping", "--frequency", "--split-dim", "--statistics"}) {
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
  Flags flags;
  declare_flags(flags, line.options);
  line.message = flags.parse(argc, argv);
  if (line.message.empty()) {
    if (line.options.nesterov && line.options.momentum == 0.0) {
      throw UsageError("--nesterov: needs a --momentum above 0");
    }
    line.notes = idle_flags(flags, line.options);
  }
  return line;
}

TrainOptions resolved(TrainOptions o) {
  const bool adamw = o.optimizer == "adamw";
  if (!o.learning_rate) {
    o.learning_rate = adamw ? 0.001 : o.optimizer == "sgd" ? 0.1 : 0.2;
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
