#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <mjolnir/train/checkpoint/checkpoint.h>
#include <mjolnir/train/checkpoint/checkpoint_folder.h>
#include <mjolnir/train/program/cores.h>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/train/files.h"
#include "tests/train/process.h"

// The trainer, stopped and resumed as a user does it, on synthetic images.
namespace mjolnir::train {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using Words = std::vector<std::string>;

// A row of metrics.csv without its last two columns, which are times.
Words rows_without_times(const std::string& csv) {
  Words rows;
  for (std::string line : split_lines(csv)) {
    line.erase(line.rfind(','));
    line.erase(line.rfind(','));
    rows.push_back(line);
  }
  return rows;
}

class Resume : public ::testing::Test {
 protected:
  void SetUp() override {
    if (access(MJOLNIR_TRAIN_PROGRAM, X_OK) != 0) {
      GTEST_SKIP() << "the examples are not built";
    }
  }

  Finished train(const Words& words) const { return run(start(words)); }

  Start start(const Words& words) const {
    Start start;
    start.argv = {MJOLNIR_TRAIN_PROGRAM};
    start.argv.insert(start.argv.end(), words.begin(), words.end());
    start.folder = folder_.path();
    return start;
  }

  // A run with all that can be resumed; 8 steps an epoch.
  Words small(const std::string& out, const std::string& epochs) const {
    return {"--data",
            "synthetic",
            "--validation",
            "1000",
            "--model",
            "mlp",
            "--width",
            "16",
            "--optimizer",
            "thor",
            "--frequency",
            "3",
            "--refresh-rule",
            "thor",
            "--schedule",
            "constant",
            "--warmup",
            "0",
            "--learning-rate",
            "0.05",
            "--log-every",
            "5",
            "--report-curvature",
            "7",
            "--threads",
            "1",
            "--checkpoint-every",
            "3",
            "--out",
            out,
            "--epochs",
            epochs};
  }

  std::string file(const std::string& name) const {
    return content_of(folder_.path() + "/" + name);
  }
  CheckpointFolder checkpoints(const std::string& run) const {
    return CheckpointFolder(folder_.path() + "/" + run + "/checkpoints", 2);
  }

  void expect_same_run(const std::string& got, const std::string& want) const {
    EXPECT_EQ(file(got + "/model.safetensors"),
              file(want + "/model.safetensors"));
    EXPECT_EQ(rows_without_times(file(got + "/metrics.csv")),
              rows_without_times(file(want + "/metrics.csv")));
    EXPECT_EQ(file(got + "/decisions.csv"), file(want + "/decisions.csv"));
    EXPECT_FALSE(file(want + "/decisions.csv").empty());
  }

  TemporaryFolder folder_;
};

TEST_F(Resume, AfterASignalTheRunIsTheUnbrokenOne) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string out = "stopped" + std::to_string(signal);
    Start stopped = start(small(out, "100000"));
    stopped.signal = signal;
    stopped.signal_after = "epoch 2/";
    const Finished first = run(stopped);
    ASSERT_EQ(first.code, 128 + signal) << first.err;
    EXPECT_THAT(first.err,
                HasSubstr("./mjolnir train --resume " + out + " goes on"));
    EXPECT_THAT(first.out, HasSubstr("checkpoints/"));
    // Two epochs more than it had; everything else is remembered.
    const std::string done =
        checkpoints(out).newest().checkpoint.notes.at("epoch");
    const std::string epochs = std::to_string(std::stol(done) + 2);
    const Finished second = train({"--resume", out, "--epochs", epochs});
    ASSERT_EQ(second.code, 0) << second.err;
    EXPECT_THAT(second.err, HasSubstr("going on after step "));
    const std::string whole = "whole" + std::to_string(signal);
    const Finished unbroken = train(small(whole, epochs));
    ASSERT_EQ(unbroken.code, 0) << unbroken.err;
    expect_same_run(out, whole);
    const auto config =
        nlohmann::json::parse(file(out + "/config.json"))["options"];
    EXPECT_EQ(config["epochs"], std::stol(epochs));
    EXPECT_EQ(config["out"], out);
  }
}

TEST_F(Resume, KeepsTheLastFewAndTheBest) {
  ASSERT_EQ(train(small("a", "4")).code, 0);
  const auto steps = checkpoints("a").steps();
  EXPECT_GE(steps.size(), 2u);
  EXPECT_LE(steps.size(), 3u);  // the best one besides
  EXPECT_EQ(steps.back(), 32);
  EXPECT_EQ(checkpoints("a").newest().checkpoint.notes.at("epoch"), "4");
  Words none = small("b", "1");
  none.insert(none.end(), {"--keep", "0"});
  const Finished without = train(none);
  ASSERT_EQ(without.code, 0) << without.err;
  EXPECT_FALSE(std::filesystem::exists(folder_.path() + "/b/checkpoints"));
  EXPECT_THAT(without.out, Not(HasSubstr("checkpoints/")));
  const Finished resumed = train({"--resume", "b"});
  EXPECT_EQ(resumed.code, 1);
  EXPECT_THAT(resumed.err, HasSubstr("no whole checkpoint in 'b/checkpoints'"));
}

TEST_F(Resume, SkipsDamagedOnesWithAWarningAndLosesNothing) {
  ASSERT_EQ(train(small("a", "3")).code, 0);
  ASSERT_EQ(train(small("b", "3")).code, 0);
  const std::string newest = checkpoints("b").path(24);
  std::filesystem::resize_file(newest, std::filesystem::file_size(newest) - 1);
  const Finished resumed = train({"--resume", "b"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("left out: "));
  EXPECT_THAT(resumed.err, HasSubstr("step-00000024.safetensors"));
  EXPECT_THAT(resumed.err, HasSubstr("going on after step 21"));
  expect_same_run("b", "a");
}

TEST_F(Resume, ANewLogIntervalOrNumberOfThreadsIsFine) {
  ASSERT_EQ(train(small("a", "2")).code, 0);
  std::filesystem::copy(folder_.path() + "/a", folder_.path() + "/b",
                        std::filesystem::copy_options::recursive);
  ASSERT_EQ(train({"--resume", "a", "--epochs", "3"}).code, 0);
  const Finished other =
      train({"--resume", "b", "--epochs", "3", "--log-every", "2", "--threads",
             "2", "--checkpoint-every", "0", "--keep", "1"});
  ASSERT_EQ(other.code, 0) << other.err;
#ifdef _OPENMP
  if (available_cores() > 1) {
    EXPECT_THAT(other.err,
                HasSubstr("another number of threads (2, before 1)"));
  }
#endif
  EXPECT_THAT(file("b/metrics.csv"), HasSubstr("\nstep,3,18,"));
}

TEST_F(Resume, AnotherRunIsRefusedWithEveryDifference) {
  ASSERT_EQ(train(small("a", "1")).code, 0);
  const std::string before = file("a/config.json");
  const Finished other =
      train({"--resume", "a", "--batch", "64", "--seed", "3", "--model",
             "lenet5", "--epochs", "9", "--log-every", "3"});
  EXPECT_EQ(other.code, 2);
  for (const char* line :
       {"--batch: the run has 128, asked for is 64",
        "--seed: the run has 1, asked for is 3",
        "--model: the run has mlp, asked for is lenet5", "--force"}) {
    EXPECT_THAT(other.err, HasSubstr(line));
  }
  EXPECT_THAT(other.err, Not(HasSubstr("--epochs:")));
  EXPECT_THAT(other.err, Not(HasSubstr("--log-every:")));
  // Even by force the state of another model is not taken, nor is anything
  // written.
  const Finished forced =
      train({"--resume", "a", "--model", "lenet5", "--width", "6", "--force"});
  EXPECT_EQ(forced.code, 1);
  EXPECT_THAT(forced.err, HasSubstr("model/conv1.weight is missing"));
  EXPECT_EQ(file("a/config.json"), before);
  EXPECT_EQ(train({"--resume", "a", "--epochs", "2", "--label-smoothing", "0.1",
                   "--force"})
                .code,
            0);
}

TEST_F(Resume, WhatMakesNoSenseIsAUsageError) {
  ASSERT_EQ(train(small("a", "2")).code, 0);
  const Finished fewer = train({"--resume", "a", "--epochs", "1"});
  EXPECT_EQ(fewer.code, 2);
  EXPECT_THAT(fewer.err, HasSubstr("--epochs: 1 asked for, the run has 2"));
  const Finished out = train({"--resume", "a", "--out", "b"});
  EXPECT_EQ(out.code, 2);
  EXPECT_THAT(out.err, HasSubstr("--out: not with --resume"));
  const Finished none = train({"--resume", "nowhere"});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("nowhere/config.json"));
}

TEST_F(Resume, ADivergenceNamesTheLayerAndTheLastGoodCheckpoint) {
  ASSERT_EQ(train(small("a", "1")).code, 0);
  const Finished wild = train(
      {"--resume", "a", "--epochs", "2", "--learning-rate", "1e30", "--force"});
  EXPECT_EQ(wild.code, 3) << wild.err;
  EXPECT_THAT(wild.err, HasSubstr("diverged in step "));
  EXPECT_THAT(wild.err, HasSubstr("fc"));
  EXPECT_THAT(wild.err, HasSubstr("the last good checkpoint is a/checkpoints/"
                                  "step-0000000"));
  Words words = small("b", "3");
  words.insert(words.end(),
               {"--learning-rate", "1e30", "--on-divergence", "skip"});
  const Finished skipping = train(words);
  EXPECT_EQ(skipping.code, 3);
  EXPECT_THAT(skipping.err, HasSubstr("the batch is left out"));
  EXPECT_THAT(skipping.err, HasSubstr("so were the 9 batches before"));
}

}  // namespace
}  // namespace mjolnir::train
