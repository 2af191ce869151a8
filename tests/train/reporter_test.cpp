#include "train/reporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/train/files.h"

namespace mjolnir::train {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

Meter meter(double loss, std::int64_t samples, std::int64_t correct) {
  Meter result;
  result.add(loss, samples, correct);
  return result;
}

EpochRecord epoch(std::int64_t number) {
  EpochRecord record;
  record.epoch = number;
  record.run_step = 10 * number;
  record.training = meter(1.25 / static_cast<double>(number), 800, 600);
  record.validation = meter(0.5, 200, 151);
  record.settings.learning_rate = 0.125;
  record.settings.damping = 0.5;
  record.settings.refreshes = 3;
  record.seconds = 40.0 * static_cast<double>(number);
  record.training_seconds = 0.5;
  return record;
}

TEST(Reporter, TheTableHasALinePerEpochAndMarksTheBest) {
  FitResult result;
  result.epochs = {epoch(1), epoch(2)};
  result.best_epoch = 2;
  EXPECT_EQ(epoch_table(result),
            "epoch      loss   acc %  val loss  val acc %  images/s     time\n"
            "    1    1.2500   75.00    0.5000      75.50      1600     0:40\n"
            "    2    0.6250   75.00    0.5000      75.50      1600     1:20"
            "  best\n");
}

TEST(Reporter, ANarrowTerminalGetsTheColumnsThatMatter) {
  FitResult result;
  result.epochs = {epoch(1)};
  result.best_epoch = 1;
  EXPECT_EQ(epoch_table(result, 40),
            "epoch   acc %  val acc %     time\n"
            "    1   75.00      75.50     0:40  best\n");
  EXPECT_EQ(epoch_table(result, 10),
            "epoch  val acc %\n"
            "    1      75.50  best\n");
  for (int columns = 22; columns <= 80; ++columns) {
    for (const std::string& line : split_lines(epoch_table(result, columns))) {
      EXPECT_LE(static_cast<int>(line.size()), columns) << line;
    }
  }
}

TEST(Reporter, ALossGoneWildKeepsTheColumns) {
  FitResult result;
  EpochRecord record = epoch(1);
  record.training = meter(2.48e30, 800, 80);
  result.epochs = {record};
  EXPECT_EQ(split_lines(epoch_table(result)).at(1),
            "    1  2.48e+30   10.00    0.5000      75.50      1600     0:40");
}

TEST(Reporter, WithoutAnEpochThereIsNoTable) { EXPECT_EQ(epoch_table({}), ""); }

TEST(Reporter, AnEpochEndsWithALine) {
  EXPECT_EQ(epoch_line(epoch(2), 5),
            "epoch 2/5 done: loss 0.6250, validation loss 0.5000, accuracy "
            "75.50 +- 3.04 %");
}

TEST(Reporter, WithoutValidationTheCellsSaySo) {
  FitResult result;
  EpochRecord record = epoch(1);
  record.validation.reset();
  record.training.has_accuracy = false;
  result.epochs = {record};
  EXPECT_EQ(split_lines(epoch_table(result)).at(1),
            "    1    1.2500       -         -          -      1600     0:40");
}

TEST(Reporter, TheResultIsOneLine) {
  // sqrt(0.9187 * 0.0813 / 10000) = 0.00273296
  EXPECT_EQ(accuracy_line(meter(0.3, 10000, 9187)),
            "test accuracy 91.87 % (+- 0.27)");
}

TEST(Reporter, RecordsBecomeRows) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/metrics.csv";
  {
    MetricsReporter reporter(path, false);
    StepRecord step;
    step.epoch = 1;
    step.step = 4;
    step.steps = 10;
    step.run_step = 4;
    step.interval = meter(2.0, 64, 16);
    step.so_far = meter(2.0, 64, 16);
    step.settings.learning_rate = 0.25;
    step.seconds = 2.0;
    step.interval_seconds = 0.5;
    reporter.on_step(step);  // not a logging step: no row
    step.logging = true;
    reporter.on_step(step);
    reporter.on_epoch(epoch(1));
  }
  EXPECT_THAT(
      lines_of(path),
      ElementsAre(
          testing::_, "step,1,4,2,0.25,,,0.25,,,,,,2.000,128.0",
          "epoch,1,10,1.25,0.75,0.5,0.755,0.125,0.5,3,,,,40.000,1600.0"));
}

TEST(Reporter, AReportIsInRowsOfItsLayersAndInTheNextRowOfAStep) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/metrics.csv";
  {
    MetricsReporter reporter(path, true);
    CurvatureReport report;
    report.damping = 0.5;
    report.layers.resize(2);
    report.layers[0].name = "conv";
    report.layers[0].a.damping_share = 0.25;
    report.layers[1].name = "fc";
    report.layers[1].a.damping_share = 0.75;
    StepRecord step;
    step.epoch = 1;
    step.run_step = 3;
    step.interval = meter(2.0, 64, 16);
    reporter.on_curvature(step, report);
    step.logging = true;
    reporter.on_step(step);
    step.run_step = 4;
    reporter.on_step(step);
  }
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_THAT(lines[1], StartsWith("layer,1,3,,,,,,0.5,,,,,conv,"));
  EXPECT_THAT(lines[2], StartsWith("layer,1,3,,,,,,0.5,,,,,fc,"));
  EXPECT_THAT(lines[3], StartsWith("step,1,3,2,0.25,,,0,,,0.5,"));
  EXPECT_THAT(lines[4], StartsWith("step,1,4,2,0.25,,,0,,,,"));
}

}  // namespace
}  // namespace mjolnir::train
