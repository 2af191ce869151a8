#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mjolnir/train/options.h>
#include <string>
#include <utility>
#include <vector>

#include "tests/train/files.h"

namespace mjolnir::train {
namespace {

using testing::HasSubstr;

CommandLine parse(const std::vector<std::string>& words) {
  std::vector<const char*> argv = {"train"};
  for (const std::string& word : words) {
    argv.push_back(word.c_str());
  }
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

std::string refusal(const std::vector<std::string>& words) {
  try {
    parse(words);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Options, DefaultsAreTheDocumentedRun) {
  const CommandLine line = parse({});
  EXPECT_EQ(line.options.data, "fashion-mnist");
  EXPECT_EQ(line.options.model, "resnet8");
  EXPECT_EQ(line.options.optimizer, "thor");
  EXPECT_EQ(resolved(line.options).validation, 5000);
  EXPECT_TRUE(line.message.empty());
  EXPECT_TRUE(line.notes.empty());
}

TEST(Options, EveryFlagReachesItsField) {
  const TrainOptions o = parse({"--data",
                                "cifar100",
                                "--data-dir",
                                "/somewhere",
                                "--validation",
                                "77",
                                "--augment",
                                "crop-flip-cutout",
                                "--model",
                                "resnet110",
                                "--width",
                                "24",
                                "--optimizer",
                                "sgd",
                                "--epochs",
                                "9",
                                "--batch",
                                "33",
                                "--learning-rate",
                                "0.25",
                                "--schedule",
                                "cosine",
                                "--warmup",
                                "0.2",
                                "--momentum",
                                "0.8",
                                "--nesterov",
                                "--weight-decay",
                                "0.003",
                                "--label-smoothing",
                                "0.1",
                                "--damping",
                                "1e-3",
                                "--frequency",
                                "7",
                                "--split-dim",
                                "128",
                                "--statistics",
                                "mindspore-gpu",
                                "--seed",
                                "9007199254740993",
                                "--threads",
                                "3",
                                "--log-every",
                                "11",
                                "--tensorboard",
                                "--out",
                                "there"})
                             .options;
  EXPECT_EQ(o.data, "cifar100");
  EXPECT_EQ(o.data_dir, "/somewhere");
  EXPECT_EQ(o.validation, 77);
  EXPECT_EQ(o.augment, "crop-flip-cutout");
  EXPECT_EQ(o.model, "resnet110");
  EXPECT_EQ(o.width, 24);
  EXPECT_EQ(o.optimizer, "sgd");
  EXPECT_EQ(o.epochs, 9);
  EXPECT_EQ(o.batch, 33);
  EXPECT_EQ(o.learning_rate, 0.25);
  EXPECT_EQ(o.schedule, "cosine");
  EXPECT_EQ(o.warmup, 0.2);
  EXPECT_EQ(o.momentum, 0.8);
  EXPECT_TRUE(o.nesterov);
  EXPECT_EQ(o.weight_decay, 0.003);
  EXPECT_EQ(o.label_smoothing, 0.1);
  EXPECT_EQ(o.damping, 0.001);
  EXPECT_EQ(o.frequency, 7);
  EXPECT_EQ(o.split_dim, 128);
  EXPECT_EQ(o.statistics, "mindspore-gpu");
  EXPECT_EQ(o.seed, 9007199254740993);  // not exact as a double
  EXPECT_EQ(o.threads, 3);
  EXPECT_EQ(o.log_every, 11);
  EXPECT_TRUE(o.tensorboard);
  EXPECT_EQ(o.out, "there");
}

TEST(Options, UnknownValueNamesFlagAllowedAndNearest) {
  const std::string text = refusal({"--model", "resnet21"});
  EXPECT_THAT(text, HasSubstr("--model"));
  EXPECT_THAT(text, HasSubstr("'resnet21'"));
  EXPECT_THAT(text, HasSubstr("resnet110"));
  EXPECT_THAT(text, HasSubstr("lenet5"));
  EXPECT_THAT(text, HasSubstr("did you mean 'resnet20'?"));
  EXPECT_THAT(refusal({"--statistics", "per_sample"}),
              HasSubstr("did you mean 'per-sample'?"));
  // Nothing resembles this, so nothing is suggested.
  EXPECT_THAT(refusal({"--optimizer", "zzzzzzzz"}),
              Not(HasSubstr("did you mean")));
  EXPECT_THAT(refusal({"--data", "CIFAR10"}), HasSubstr("'CIFAR10'"));
}

TEST(Options, UnknownFlagNamesTheNearest) {
  const std::string text = refusal({"--learning_rate", "0.1"});
  EXPECT_THAT(text, HasSubstr("--learning_rate"));
  EXPECT_THAT(text, HasSubstr("did you mean '--learning-rate'?"));
  EXPECT_THAT(refusal({"--epoch=3"}), HasSubstr("'--epochs'"));
  EXPECT_THAT(refusal({"resnet20"}), HasSubstr("resnet20"));
}

TEST(Options, NumbersOutOfRangeOrOfWrongType) {
  struct Case {
    const char* flag;
    const char* value;
    const char* allowed;
  };
  for (const Case& c :
       std::vector<Case>{{"--epochs", "0", "integer from 1"},
                         {"--epochs", "ten", "integer from 1"},
                         {"--epochs", "2.5", "integer from 1"},
                         {"--epochs", "", "integer from 1"},
                         {"--epochs", "99999999999999999999", "integer from 1"},
                         {"--batch", "-4", "integer from 1"},
                         {"--validation", "-1", "integer from 0"},
                         {"--width", "0", "integer from 1"},
                         {"--learning-rate", "-0.1", "0 or more"},
                         {"--learning-rate", "nan", "0 or more"},
                         {"--learning-rate", "inf", "0 or more"},
                         {"--learning-rate", "0,1", "0 or more"},
                         {"--learning-rate", "0.1x", "0 or more"},
                         {"--warmup", "1", "0 to below 1"},
                         {"--momentum", "1", "0 to below 1"},
                         {"--weight-decay", "-1e-9", "0 or more"},
                         {"--label-smoothing", "1.5", "0 to below 1"},
                         {"--damping", "-0.03", "0 or more"},
                         {"--frequency", "0", "integer from 1"},
                         {"--split-dim", "-128", "integer from 0"},
                         {"--threads", "5000", "to 4096"},
                         {"--seed", "-1", "integer from 0"}}) {
    const std::string text = refusal({c.flag, c.value});
    EXPECT_THAT(text, HasSubstr(c.flag)) << c.value;
    EXPECT_THAT(text, HasSubstr(c.allowed)) << c.flag << " " << c.value;
    EXPECT_THAT(text, HasSubstr("'" + std::string(c.value) + "'"));
  }
}

TEST(Options, ZeroIsAllowedWhereItMeansSomething) {
  const TrainOptions o = parse({"--learning-rate", "0", "--damping", "0",
                                "--momentum", "0", "--validation", "0"})
                             .options;
  EXPECT_EQ(o.learning_rate, 0.0);
  EXPECT_EQ(o.damping, 0.0);
}

TEST(Options, ValueMissingOrGivenTwice) {
  EXPECT_THAT(refusal({"--epochs"}), HasSubstr("--epochs"));
  EXPECT_THAT(refusal({"--epochs"}), HasSubstr("needs a value"));
  EXPECT_EQ(parse({"--epochs", "1", "--epochs", "2"}).options.epochs, 2);
  EXPECT_THAT(refusal({"--nesterov=maybe"}),
              HasSubstr("--nesterov: takes no value"));
  EXPECT_THAT(refusal({"--tensorboard=maybe"}),
              HasSubstr("--tensorboard: takes no value"));
  EXPECT_THAT(refusal({"--learning-rate", "inf"}), HasSubstr("finite"));
  EXPECT_THAT(refusal({"--nesterov", "--momentum", "0"}),
              HasSubstr("--nesterov"));
}

// The lines of --help that are about a flag, joined by single blanks.
std::string help_of(const std::string& help, const std::string& flag) {
  std::string text;
  bool inside = false;
  for (std::string line : split_lines(help)) {
    const std::size_t first = line.find_first_not_of(' ');
    const bool starts = first == 2 && line.compare(2, 2, "--") == 0;
    if (starts || line.empty()) {
      inside = starts && line.compare(2, flag.size() + 1, flag + " ") == 0;
    }
    if (inside) {
      text += (text.empty() ? "" : " ") + line.substr(first);
    }
  }
  return text;
}

TEST(Options, HelpShowsEveryFlagAndDefault) {
  const std::string help = parse({"--help"}).message;
  const std::vector<std::pair<std::string, std::string>> flags = {
      {"--data", "[default: fashion-mnist]"},
      {"--data-dir", "(default: MJOLNIR_DATA_DIR"},
      {"--validation", "(default 5000, synthetic 400)"},
      {"--augment", "[default: auto]"},
      {"--model", "[default: resnet8]"},
      {"--width", "(default 256)"},
      {"--optimizer", "[default: thor]"},
      {"--epochs", "[default: 8]"},
      {"--batch", "[default: 128]"},
      {"--learning-rate", "thor 0.2, with lenet5 and mlp 0.05; sgd 0.1"},
      {"--schedule", "[default: linear]"},
      {"--warmup", "[default: 0.1]"},
      {"--momentum", "[default: 0.9]"},
      {"--nesterov", "[default: off]"},
      {"--weight-decay", "thor and sgd 0.0005, adamw 0.01"},
      {"--label-smoothing", "[default: 0]"},
      {"--damping", "default 0.1, with lenet5 and mlp 0.3"},
      {"--frequency", "[default: 20]"},
      {"--split-dim", "per-sample 0, mindspore-gpu 128"},
      {"--statistics", "[default: per-sample]"},
      {"--seed", "[default: 1]"},
      {"--threads", "[default: 0]"},
      {"--log-every", "[default: 50]"},
      {"--tensorboard", "[default: off]"},
      {"--checkpoint-every", "[default: 0]"},
      {"--keep", "[default: 2]"},
      {"--on-divergence", "[default: stop]"},
      {"--force", "[default: off]"},
      {"--out", "(default: the next free"}};
  for (const auto& [flag, standard] : flags) {
    EXPECT_THAT(help_of(help, flag), HasSubstr(standard)) << flag;
  }
  for (const std::string& line : split_lines(help)) {
    EXPECT_LE(line.size(), 80u) << line;
    EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
  }
  EXPECT_THAT(parse({"--version"}).message, HasSubstr("mjolnir "));
}

TEST(Options, FlagsWithoutEffectAreSaid) {
  const auto notes =
      parse({"--optimizer", "sgd", "--damping", "0.1", "--nesterov"}).notes;
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("--damping"));
  EXPECT_THAT(notes[0], HasSubstr("sgd"));
}

TEST(Options, ResolvedFillsWhatSuits) {
  TrainOptions o;
  EXPECT_EQ(resolved(o).learning_rate, 0.2);
  EXPECT_EQ(resolved(o).damping, 0.1);
  o.optimizer = "adamw";
  EXPECT_EQ(resolved(o).learning_rate, 0.001);
  EXPECT_EQ(resolved(o).weight_decay, 0.01);
  o.optimizer = "sgd";
  o.learning_rate = 7.0;
  EXPECT_EQ(resolved(o).learning_rate, 7.0);
  EXPECT_EQ(resolved(o).width, 16);
  o.model = "resnet18";
  EXPECT_EQ(resolved(o).width, 64);
  EXPECT_NE(resolved(o).augment, "auto");
  EXPECT_EQ(resolved(o).split_dim, 0);
  o.statistics = "mindspore-gpu";
  EXPECT_EQ(resolved(o).split_dim, 128);
}

}  // namespace
}  // namespace mjolnir::train
