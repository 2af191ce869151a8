#include "train/options.h"

#include <limits>
#include <utility>

#include "train/detail/text.h"
#include "train/program/detail/flags.h"

namespace mjolnir::train {

namespace {

const std::vector<std::string> data_names = {
    "fashion-mnist", "mnist", "cifar10", "cifar100", "synthetic"};
const std::vector<std::string> augment_names = {
    "auto", "none", "crop", "flip", "crop-flip", "crop-flip-cutout"};
const std::vector<std::string> optimizer_names = {"thor", "sgd", "adamw"};
const std::vector<std::string> schedule_names = {"constant", "cosine", "linear",
                                                 "step", "thor"};
const std::vector<std::string> statistics_names = {"per-sample",
                                                   "mindspore-gpu"};
const std::vector<std::string> rule_names = {"fixed", "thor", "thor-stop",
                                             "thor-nt"};
const std::vector<std::string> divergence_names = {"stop", "skip", "lower"};
using detail::Flags;

constexpr double infinity = std::numeric_limits<double>::infinity();

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
  flags.choice("--model", o.model, model_names(), "Network to train");
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
  flags.flag("--tensorboard", o.tensorboard,
             "Also write an event file for TensorBoard");
  flags.flag("--no-report", o.no_report,
             "Do not keep report.html, the page about the run,\nup to date");
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

const std::vector<std::string>& model_names() {
  static const std::vector<std::string> names = {
      "resnet8",   "resnet20", "resnet32", "resnet44", "resnet56",
      "resnet110", "resnet18", "lenet5",   "mlp"};
  return names;
}

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
