#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/support/files.h"
#include "tests/train/files.h"
#include "tests/train/process.h"

// The trainer on files of images, as they are published.
namespace mjolnir::train {
namespace {

using mjolnir::testing::gzip;
using mjolnir::testing::plant;
using ::testing::HasSubstr;

void append_length(io::Bytes& bytes, std::size_t length) {
  for (const int shift : {24, 16, 8, 0}) {
    bytes.push_back(static_cast<std::uint8_t>(length >> shift));
  }
}

// `count` grey images of 28x28, label i mod 10, as an IDX pair: a bright bar
// of two rows, lower with each class, on a dark ground that changes a little.
void plant_pair(const std::string& prefix, std::size_t count) {
  io::Bytes images = {0, 0, 8, 3};
  io::Bytes labels = {0, 0, 8, 1};
  append_length(images, count);
  append_length(labels, count);
  append_length(images, 28);
  append_length(images, 28);
  for (std::size_t i = 0; i < count; ++i) {
    labels.push_back(static_cast<std::uint8_t>(i % 10));
    for (std::size_t y = 0; y < 28; ++y) {
      const bool bar = y / 2 == 2 + i % 10;
      for (std::size_t x = 0; x < 28; ++x) {
        images.push_back(
            static_cast<std::uint8_t>((bar ? 200 : 0) + (7 * i + 3 * x) % 50));
      }
    }
  }
  plant(prefix + "-images-idx3-ubyte.gz", gzip(images));
  plant(prefix + "-labels-idx1-ubyte", labels);  // either packing is taken
}

class ImageFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    if (access(MJOLNIR_TRAIN_PROGRAM, X_OK) != 0) {
      GTEST_SKIP() << "the examples are not built";
    }
    plant_pair(folder_.path() + "/data/mnist/train", 350);
    plant_pair(folder_.path() + "/data/mnist/t10k", 100);
  }

  Finished train(const std::string& model, const std::string& out) const {
    Start start;
    start.argv = {MJOLNIR_TRAIN_PROGRAM};
    for (const char* word : {"--data",          "mnist", "--data-dir",  "data",
                             "--validation",    "50",    "--augment",   "none",
                             "--width",         "8",     "--epochs",    "4",
                             "--batch",         "10",    "--optimizer", "sgd",
                             "--learning-rate", "0.05",  "--threads",   "1"}) {
      start.argv.push_back(word);
    }
    start.argv.insert(start.argv.end(), {"--model", model, "--out", out});
    start.folder = folder_.path();
    return run(start);
  }

  TemporaryFolder folder_;
};

double test_accuracy(const std::string& output) {
  const std::string words = "test accuracy ";
  const std::size_t at = output.find(words);
  return at == std::string::npos
             ? -1.0
             : std::atof(output.c_str() + at + static_cast<int>(words.size()));
}

TEST_F(ImageFiles, AreLearnedFromStartToEnd) {
  for (const std::string model : {"mlp", "lenet5"}) {
    const Finished done = train(model, model);
    ASSERT_EQ(done.code, 0) << done.err;
    // Each class has its own bar; a guess is right once in ten.
    EXPECT_GE(test_accuracy(done.out), 90.0) << model << done.out;
    EXPECT_FALSE(content_of(folder_.path() + "/" + model + "/model.safetensors")
                     .empty());
  }
}

TEST_F(ImageFiles, ATruncatedOneEndsTheRunBeforeItBegins) {
  const std::string path =
      folder_.path() + "/data/mnist/t10k-images-idx3-ubyte.gz";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 9);
  const Finished done = train("mlp", "cut");
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("t10k-images-idx3-ubyte.gz' "));
  EXPECT_THAT(done.err, HasSubstr("truncated"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() + "/cut"));
}

TEST_F(ImageFiles, OthersAreNotWhatARunGoesOnWith) {
  ASSERT_EQ(train("mlp", "run").code, 0);
  const std::string path =
      folder_.path() + "/data/mnist/train-labels-idx1-ubyte";
  std::string labels = content_of(path);
  labels[100] = static_cast<char>((labels[100] + 1) % 10);
  plant(path, {labels.begin(), labels.end()});
  Start start;
  start.argv = {MJOLNIR_TRAIN_PROGRAM, "--resume", "run", "--epochs", "5"};
  start.folder = folder_.path();
  const Finished refused = run(start);
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("the run has other training images"));
  EXPECT_THAT(refused.err, HasSubstr("mnist, 300 images of 1x28x28"));
  start.argv.push_back("--force");
  EXPECT_EQ(run(start).code, 0);
}

}  // namespace
}  // namespace mjolnir::train
