#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/train/metrics/metrics_jsonl.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/train/files.h"

namespace mjolnir::train {
namespace {

using testing::ElementsAre;

TEST(MetricsJsonl, RowsAreWrittenAsDocumented) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/metrics.jsonl";
  MetricsJsonl file(path);
  MetricsRow row;
  row.kind = "step";
  row.epoch = 1;
  row.step = 50;
  row.loss = 0.1;
  row.accuracy = 0.875;
  row.learning_rate = 0.3;
  row.damping_a = 0.25;
  row.seconds = 1.23456;
  row.images_per_second = 1000.06;
  file.add(row);
  row = {};
  row.kind = "epoch";
  row.epoch = 1;
  row.step = 390;
  row.loss = std::numeric_limits<double>::quiet_NaN();
  row.validation_loss = std::numeric_limits<double>::infinity();
  row.validation_accuracy = 1.0 / 3.0;
  row.damping = 0.03;
  row.refreshes = 21;
  file.add(row);
  EXPECT_THAT(
      lines_of(path),
      ElementsAre(
          R"({"kind":"step","epoch":1,"step":50,"loss":0.1,"accuracy":0.875,)"
          R"("learning_rate":0.3,"damping_a":0.25,"seconds":1.235,)"
          R"("images_per_second":1000.1})",
          R"({"kind":"epoch","epoch":1,"step":390,"loss":null,)"
          R"("validation_loss":null,"validation_accuracy":0.3333333333333333,)"
          R"("damping":0.03,"refreshes":21,"seconds":0.0,)"
          R"("images_per_second":0.0})"));
}

TEST(MetricsJsonl, CellsBesidesAreTextOrNumbers) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/metrics.jsonl";
  MetricsJsonl file(path, {"layer", "age", "positions", "cosine_to_exact"});
  MetricsRow row;
  row.kind = "layer";
  row.more = {"0", "3", "0.5", ""};
  file.add(row);
  row.more = {"a \"name\"\xFF", "3", "inf", ""};
  file.add(row);
  row.more = {"fc"};
  EXPECT_THROW(file.add(row), ValueError);
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 2u);
  const auto first = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(first["layer"], "0");
  EXPECT_EQ(first["age"], 3);
  EXPECT_EQ(first["positions"], 0.5);
  EXPECT_FALSE(first.contains("cosine_to_exact"));
  const auto second = nlohmann::json::parse(lines[1]);
  EXPECT_EQ(second["layer"], "a \"name\"\xEF\xBF\xBD");  // U+FFFD
  EXPECT_TRUE(second["positions"].is_null());
}

TEST(MetricsJsonl, ARowIsOnDiskAsSoonAsItIsAdded) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/metrics.jsonl";
  MetricsJsonl file(path);
  MetricsRow row;
  row.kind = "step";
  file.add(row);
  EXPECT_EQ(lines_of(path).size(), 1u);
}

TEST(MetricsJsonl, TheLocalePlaysNoPart) {
  const TemporaryFolder folder;
  const TemporaryLocale comma(folder.path());
  if (!comma.active()) {
    GTEST_SKIP() << "no locale with a decimal comma can be made here";
  }
  const std::string path = folder.path() + "/metrics.jsonl";
  MetricsJsonl file(path, {"age"});
  MetricsRow row;
  row.kind = "step";
  row.loss = 0.5;
  row.seconds = 2.5;
  row.more = {"1.5"};
  file.add(row);
  EXPECT_EQ(lines_of(path).at(0),
            R"({"kind":"step","epoch":0,"step":0,"loss":0.5,"age":1.5,)"
            R"("seconds":2.5,"images_per_second":0.0})");
}

TEST(MetricsJsonl, AFullDiskIsOneWarningAndTheRunGoesOn) {
  if (access("/dev/full", W_OK) != 0) {
    GTEST_SKIP() << "no /dev/full here";
  }
  const std::int64_t before = event_count("metrics");
  MetricsJsonl file("/dev/full");
  MetricsRow row;
  row.kind = "step";
  file.add(row);
  file.add(row);
  EXPECT_EQ(event_count("metrics"), before + 1);
}

}  // namespace
}  // namespace mjolnir::train
