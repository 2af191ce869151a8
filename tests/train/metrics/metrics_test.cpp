#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/train/meter.h>
#include <mjolnir/train/metrics/metrics.h>
#include <clocale>
#include <cstdlib>
#include <limits>
#include <string>

#include "tests/train/files.h"

namespace mjolnir::train {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

TEST(Metrics, RowsAreWrittenAsDocumented) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/metrics.csv";
  {
    MetricsFile file(path);
    MetricsRow row;
    row.kind = "step";
    row.epoch = 1;
    row.step = 50;
    row.loss = 0.1;  // not exact in binary: the shortest text is "0.1"
    row.accuracy = 0.875;
    row.learning_rate = 0.3;
    row.damping_a = 0.25;
    row.damping_g = 1.0;
    row.cosine = -0.5;
    row.seconds = 1.23456;
    row.images_per_second = 1000.06;
    file.add(row);
    row = {};
    row.kind = "epoch";
    row.epoch = 1;
    row.step = 390;
    row.loss = std::numeric_limits<double>::quiet_NaN();
    row.validation_loss = 1.0 / 3.0;
    row.damping = 0.03;
    row.refreshes = 21;
    file.add(row);
  }
  EXPECT_THAT(
      lines_of(path),
      ElementsAre("kind,epoch,step,loss,accuracy,validation_loss,"
                  "validation_accuracy,learning_rate,damping,refreshes,"
                  "damping_a,damping_g,cosine,seconds,images_per_second",
                  "step,1,50,0.1,0.875,,,0.3,,,0.25,1,-0.5,1.235,1000.1",
                  "epoch,1,390,nan,,0.3333333333333333,,,0.03,21,,,,0.000,"
                  "0.0"));
}

TEST(Metrics, MoreColumnsStandBeforeTheTimes) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/metrics.csv";
  MetricsFile file(path, {"layer", "age"});
  MetricsRow row;
  row.kind = "step";
  file.add(row);
  row.kind = "layer";
  row.more = {"fc", "3"};
  file.add(row);
  row.more = {"fc"};
  EXPECT_THROW(file.add(row), ValueError);
  EXPECT_THAT(lines_of(path),
              ElementsAre(EndsWith("cosine,layer,age,seconds,"
                                   "images_per_second"),
                          "step,0,0,,,,,,,,,,,,,0.000,0.0",
                          "layer,0,0,,,,,,,,,,,fc,3,0.000,0.0"));
}

TEST(Metrics, ARowIsOnDiskAsSoonAsItIsAdded) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/metrics.csv";
  MetricsFile file(path);
  MetricsRow row;
  row.kind = "step";
  file.add(row);
  EXPECT_EQ(lines_of(path).size(), 2u);
}

TEST(Metrics, TheLocalePlaysNoPart) {
  const TemporaryFolder folder;
  const TemporaryLocale comma(folder.path());
  if (!comma.active()) {
    GTEST_SKIP() << "no locale with a decimal comma can be made here";
  }
  const std::string path = folder.path() + "/metrics.csv";
  MetricsFile file(path);
  MetricsRow row;
  row.kind = "step";
  row.loss = 0.5;
  row.seconds = 2.5;
  file.add(row);
  EXPECT_EQ(lines_of(path).at(1), "step,0,0,0.5,,,,,,,,,,2.500,0.0");
}

TEST(Metrics, AFullDiskIsOneWarningAndTheRunGoesOn) {
  if (access("/dev/full", W_OK) != 0) {
    GTEST_SKIP() << "no /dev/full here";
  }
  const std::int64_t before = event_count("metrics");
  MetricsFile file("/dev/full");
  MetricsRow row;
  row.kind = "step";
  file.add(row);
  file.add(row);
  EXPECT_EQ(event_count("metrics"), before + 1);
}

TEST(Metrics, AFileThatCannotBeMadeIsNamed) {
  try {
    MetricsFile file("/no/such/folder/metrics.csv");
    FAIL() << "must not open";
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), HasSubstr("/no/such/folder/metrics.csv"));
  }
}

TEST(Meter, AveragesSamplesNotBatches) {
  Meter meter;
  meter.add(1.0, 3, 3);
  meter.add(5.0, 1, 0);
  EXPECT_DOUBLE_EQ(meter.loss(), 2.0);
  EXPECT_DOUBLE_EQ(meter.accuracy(), 0.75);
  // sqrt(0.75 * 0.25 / 4) = sqrt(3) / 8
  EXPECT_DOUBLE_EQ(meter.standard_error(), 0.21650635094610966);
}

TEST(Meter, WithoutAccuracyThereIsNone) {
  Meter meter;
  meter.add(2.0, 3, -1);
  EXPECT_DOUBLE_EQ(meter.loss(), 2.0);
  EXPECT_TRUE(std::isnan(meter.accuracy()));
}

MetricsRow step_row(std::int64_t step) {
  MetricsRow row;
  row.kind = "step";
  row.step = step;
  return row;
}

std::vector<std::int64_t> steps_of(const std::string& path) {
  std::vector<std::int64_t> steps;
  const std::vector<std::string> lines = lines_of(path);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    steps.push_back(std::stol(lines[i].substr(lines[i].find(",0,") + 3)));
  }
  return steps;
}

SavedState state_of(MetricsFile& file) {
  return save_state([&](StateVisitor& visitor) { file.visit_state(visitor); });
}

void go_on(MetricsFile& file, const SavedState& state) {
  load_state(state, [&](StateVisitor& visitor) { file.visit_state(visitor); });
}

TEST(Metrics, AResumedRunHasEveryRowOnce) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/metrics.csv";
  SavedState state;
  {
    MetricsFile file(path);
    for (const std::int64_t step : {1, 2, 3}) file.add(step_row(step));
    state = state_of(file);
    for (const std::int64_t step : {4, 5}) file.add(step_row(step));
  }
  {
    MetricsFile file(path, {}, true);
    EXPECT_THAT(steps_of(path), ElementsAre(1, 2, 3, 4, 5));
    go_on(file, state);
    EXPECT_THAT(steps_of(path), ElementsAre(1, 2, 3));
    for (const std::int64_t step : {4, 5, 6}) file.add(step_row(step));
  }
  EXPECT_THAT(steps_of(path), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(lines_of(path).at(0).rfind("kind,", 0), 0u);
}

TEST(Metrics, AFileThatLostItsEndIsGoneOnWithAndThatIsTold) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/metrics.csv";
  SavedState state;
  {
    MetricsFile file(path);
    for (const std::int64_t step : {1, 2, 3}) file.add(step_row(step));
    state = state_of(file);
  }
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4);
  std::vector<std::string> told;
  const EventSink before = set_event_sink(
      [&](const Event& event) { told.push_back(event.message); });
  {
    MetricsFile file(path, {}, true);
    go_on(file, state);
    file.add(step_row(4));
  }
  set_event_sink(before);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_THAT(told[0], HasSubstr("some rows are missing"));
  EXPECT_THAT(steps_of(path), ElementsAre(1, 2, 4));
}

TEST(Metrics, AFileOfOtherColumnsIsNotAddedTo) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/metrics.csv";
  { MetricsFile file(path, {"layer"}); }
  const std::string text = content_of(path);
  EXPECT_THROW(MetricsFile(path, {}, true), IoError);
  EXPECT_EQ(content_of(path), text);
  EXPECT_NO_THROW(MetricsFile(path, {"layer"}, true));
  // One that is not there begins.
  EXPECT_NO_THROW(MetricsFile(folder.path() + "/new.csv", {}, true));
  EXPECT_EQ(lines_of(folder.path() + "/new.csv").size(), 1u);
}

}  // namespace
}  // namespace mjolnir::train
