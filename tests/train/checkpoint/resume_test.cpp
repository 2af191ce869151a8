#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mjolnir/train/checkpoint/fingerprint.h>
#include <mjolnir/train/checkpoint/resume.h>
#include <mjolnir/train/config.h>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/files.h"
#include "tests/train/resume_net.h"

namespace mjolnir::train {
namespace {

using mjolnir::testing::expect_error;
using mjolnir::testing::plant;
using mjolnir::testing::TempDirectory;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

CommandLine read(const std::vector<std::string>& words) {
  std::vector<const char*> argv{"train"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  return read_command_line(static_cast<int>(argv.size()), argv.data());
}

// A folder with the config.json of a run with options that are no defaults.
class ARun : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.data = "synthetic";
    options_.model = "lenet5";
    options_.nesterov = true;
    options_.learning_rate = 0.07;
    options_.momentum = 0.1 + 0.2;  // 17 digits
    options_.refresh_rule = "thor-stop";
    options_.out = folder_.path();
    options_.seed = 9007199254740993;  // no double holds it
    options_ = resolved(options_);
    write_config(folder_ / "config.json", options_);
  }
  std::vector<std::string> with(std::vector<std::string> words) const {
    words.insert(words.begin(), {"--resume", folder_.path()});
    return words;
  }

  TempDirectory folder_;
  TrainOptions options_;
};

TEST_F(ARun, GivesItsOptionsToTheOneThatGoesOn) {
  const CommandLine line = read(with({}));
  EXPECT_EQ(option_texts(resolved(line.options)), option_texts(options_));
  EXPECT_EQ(line.options.seed, 9007199254740993);
  EXPECT_EQ(line.options.momentum, 0.1 + 0.2);
  EXPECT_TRUE(line.options.nesterov);
  EXPECT_EQ(line.options.out, folder_.path());
  EXPECT_THAT(line.notes, IsEmpty());
}

TEST_F(ARun, MayGoOnLongerOrTellMore) {
  const CommandLine line = read(
      with({"--epochs", "30", "--threads", "2", "--log-every", "1", "--keep",
            "5", "--checkpoint-every", "10", "--on-divergence", "skip"}));
  EXPECT_EQ(line.options.epochs, 30);
  EXPECT_EQ(line.options.threads, 2);
  EXPECT_EQ(line.options.keep, 5);
  EXPECT_EQ(line.options.on_divergence, "skip");
  // The schedule is over a number of epochs.
  EXPECT_THAT(line.notes, ElementsAre(HasSubstr("--epochs: the learning rate "
                                                "now follows")));
}

TEST_F(ARun, IsNoOtherRun) {
  expect_error<UsageError>(
      [&] {
        read(with({"--batch", "64", "--momentum", "0.5", "--data", "mnist",
                   "--epochs", "99"}));
      },
      {"--batch: the run has 128, asked for is 64",
       "--momentum: the run has 0.30000000000000004, asked for is 0.5",
       "--data: the run has synthetic, asked for is mnist"});
  const CommandLine forced = read(with({"--batch", "64", "--force"}));
  EXPECT_EQ(forced.options.batch, 64);
  EXPECT_THAT(forced.notes, Contains(HasSubstr("--batch")));
  // The value it has is no difference.
  EXPECT_NO_THROW(read(with({"--batch", "128"})));
}

TEST_F(ARun, RefusesAConfigThatIsNone) {
  const std::string path = folder_ / "config.json";
  for (const std::string text :
       {"", "{", "[]", "{\"options\": 3}", "{\"options\": {\"batch\": [1]}}",
        "{\"options\": {\"batch\": \"many\"}}", "{\"options\": {\"bach\": 1}}",
        "{\"options\": {\"batch\": -1}}", "{\"options\": {\"nesterov\": 1}}"}) {
    plant(path, mjolnir::testing::bytes_of(text));
    expect_error<IoError>([&] { read(with({})); }, {path});
  }
  std::filesystem::remove(path);
  expect_error<IoError>([&] { read(with({})); }, {path, "No such file"});
}

TEST(ResumeFlags, WithoutARunMeanNothing) {
  EXPECT_THAT(read({"--force"}).notes, ElementsAre(HasSubstr("--force")));
  EXPECT_THAT(read({"--epochs", "3"}).notes, IsEmpty());
}

TEST(ConfigHash, IsThatOfTheResult) {
  TrainOptions a = resolved({});
  TrainOptions b = a;
  b.out = "elsewhere";
  b.keep = 7;
  b.checkpoint_every = 3;
  EXPECT_EQ(config_hash(a), config_hash(b));
  b.batch = 5;
  EXPECT_NE(config_hash(a), config_hash(b));
}

TEST(Fingerprint, TellsDataSetsApart) {
  const data::Dataset some = resume_tests::images(30, 0);
  const std::string text = fingerprint(some);
  EXPECT_THAT(text, HasSubstr("30 images of 1x12x12 in 10 classes"));
  EXPECT_EQ(fingerprint(resume_tests::images(30, 0)), text);
  EXPECT_NE(fingerprint(resume_tests::images(30, 1)), text);
  EXPECT_NE(fingerprint(some.first(29)), text);
  // The same images in another order are other ones.
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < 30; ++i) order.push_back(29 - i);
  EXPECT_NE(fingerprint(some.subset(order)), text);
}

}  // namespace
}  // namespace mjolnir::train
