#include "train/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mjolnir/train/options.h>
#include <mjolnir/train/run_folder.h>
#include <limits>
#include <string>

#include "tests/train/files.h"
#include "train/detail/text.h"

namespace mjolnir::train {
namespace {

using testing::HasSubstr;

ProgressState some_state() {
  ProgressState state;
  state.epoch = 2;
  state.epochs = 5;
  state.step = 120;
  state.steps = 430;
  state.loss = 0.31204;
  state.accuracy = 0.889;
  state.standard_error = 0.00253;
  state.images_per_second = 2150.4;
  state.learning_rate = 0.21;
  state.damping = 0.3;
  state.refreshes = 28;
  state.seconds_left = 72.0;
  return state;
}

TEST(Progress, TellsEverything) {
  EXPECT_EQ(progress_text(some_state()),
            "epoch 2/5  step 120/430  loss 0.3120  accuracy 88.90 +- 0.25 %"
            "  2150 images/s  lr 0.21  damping 0.3  refreshes 28  left 1:12");
}

// What 80 columns hold: the last one stays free.
TEST(Progress, TellsEverythingInEightyColumnsToo) {
  EXPECT_EQ(progress_text(some_state(), 79),
            "2/5 120/430 loss 0.312 acc 88.9+-0.3% 2150/s lr 0.21 damp 0.3"
            " ref 28 1:12");
  ProgressState large = some_state();
  large.epoch = large.epochs = 20;
  large.step = large.steps = 430;
  large.images_per_second = 12345.0;
  large.learning_rate = 0.00123456;
  large.refreshes = 430;
  EXPECT_LE(progress_text(large, 79).size(), 79u) << progress_text(large, 79);
  EXPECT_EQ(progress_text(some_state(), 200), progress_text(some_state()));
}

TEST(Progress, LeavesOutWhatThereIsNot) {
  ProgressState state = some_state();
  state.accuracy.reset();
  state.damping.reset();
  state.refreshes.reset();
  state.seconds_left = -1.0;
  EXPECT_EQ(progress_text(state),
            "epoch 2/5  step 120/430  loss 0.3120  2150 images/s  lr 0.21"
            "  left --:--");
}

TEST(Progress, TimeLeftIsProportionalAndNeverNegative) {
  EXPECT_DOUBLE_EQ(seconds_left(30.0, 10, 40), 90.0);
  EXPECT_EQ(seconds_left(30.0, 40, 40), 0.0);
  EXPECT_EQ(seconds_left(30.0, 41, 40), 0.0);
  EXPECT_EQ(seconds_left(-5.0, 10, 40), 0.0);  // a clock that went back
  EXPECT_LT(seconds_left(30.0, 0, 40), 0.0);   // not known yet
}

TEST(Text, Times) {
  EXPECT_EQ(detail::clock_time(0.0), "0:00");
  EXPECT_EQ(detail::clock_time(59.6), "1:00");
  EXPECT_EQ(detail::clock_time(3599.0), "59:59");
  EXPECT_EQ(detail::clock_time(7209.0), "2:00:09");
  EXPECT_EQ(detail::clock_time(-1.0), "--:--");
  EXPECT_EQ(detail::clock_time(std::numeric_limits<double>::quiet_NaN()),
            "--:--");
  EXPECT_EQ(detail::clock_time(std::numeric_limits<double>::infinity()),
            "--:--");
}

TEST(Text, NumbersIgnoreTheLocale) {
  const TemporaryFolder folder;
  const TemporaryLocale comma(folder.path());
  if (!comma.active()) {
    GTEST_SKIP() << "no locale with a decimal comma can be made here";
  }
  EXPECT_EQ(detail::fixed(1234.5, 2), "1234.50");
  EXPECT_EQ(detail::shortest(0.1), "0.1");
  EXPECT_EQ(detail::compact(0.00123456), "0.001235");
  EXPECT_EQ(detail::to_double("0.5"), 0.5);
  EXPECT_FALSE(detail::to_double("0,5").has_value());
  EXPECT_THAT(progress_text(some_state()), HasSubstr("loss 0.3120"));
}

TEST(Text, LargeNumbersStayShort) {
  EXPECT_EQ(detail::readable(0.31204, 4), "0.3120");
  EXPECT_EQ(detail::readable(9999.5, 1), "9999.5");
  EXPECT_EQ(detail::readable(2.48e30, 4), "2.48e+30");
  EXPECT_EQ(detail::readable(-std::numeric_limits<double>::quiet_NaN(), 4),
            "nan");
}

TEST(Text, ANumberMayHaveAPlus) {
  EXPECT_EQ(detail::to_double("+0.5"), 0.5);
  EXPECT_EQ(detail::to_integer("+7"), 7);
  EXPECT_FALSE(detail::to_integer("+-7").has_value());
  EXPECT_FALSE(detail::to_integer("+").has_value());
}

TEST(Text, NearestSpelling) {
  const std::vector<std::string> names = {"--epochs", "--batch", "--damping"};
  EXPECT_EQ(detail::nearest("--epoch", names), "--epochs");
  EXPECT_EQ(detail::nearest("--dampnig", names), "--damping");
  EXPECT_EQ(detail::nearest("--wholly-different", names), "");
}

class RunFolder : public testing::Test {
 protected:
  void SetUp() override {
    before_ = std::filesystem::current_path();
    std::filesystem::current_path(folder_.path());
  }
  void TearDown() override { std::filesystem::current_path(before_); }

  TemporaryFolder folder_;
  std::filesystem::path before_;
};

TEST_F(RunFolder, NamesAreReadableAndCounted) {
  TrainOptions options;
  options.data = "mnist";
  options.model = "lenet5";
  options.optimizer = "sgd";
  EXPECT_EQ(make_run_folder(options), "runs/mnist-lenet5-sgd-1");
  EXPECT_EQ(make_run_folder(options), "runs/mnist-lenet5-sgd-2");
  options.model = "mlp";
  EXPECT_EQ(make_run_folder(options), "runs/mnist-mlp-sgd-1");
}

TEST_F(RunFolder, AnEarlierRunIsNeverOverwritten) {
  TrainOptions options;
  options.out = "deep/run";
  EXPECT_EQ(make_run_folder(options), "deep/run");
  EXPECT_EQ(make_run_folder(options), "deep/run");  // still without a run
  std::ofstream("deep/run/model.safetensors") << "precious";
  try {
    make_run_folder(options);
    FAIL() << "must refuse";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("--out"));
    EXPECT_THAT(error.what(), HasSubstr("deep/run"));
    EXPECT_THAT(error.what(), HasSubstr("model.safetensors"));
  }
  EXPECT_EQ(content_of("deep/run/model.safetensors"), "precious");
}

TEST_F(RunFolder, AFileInTheWayIsNamed) {
  std::ofstream("runs") << "a file";
  EXPECT_THROW(make_run_folder({}), IoError);
  TrainOptions options;
  options.out = "runs/below";
  EXPECT_THROW(make_run_folder(options), IoError);
}

}  // namespace
}  // namespace mjolnir::train
