#include <mjolnir/train/metrics/tensorboard.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mjolnir/core/random.h>
#include <mjolnir/io/event_log.h>
#include <mjolnir/io/png.h>
#include <mjolnir/models/lenet5.h>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>

#include "tests/train/files.h"

namespace mjolnir::train {
namespace {

using testing::ElementsAre;
using testing::Key;
using testing::StartsWith;
using testing::UnorderedElementsAre;

Meter meter(double loss, std::int64_t samples, std::int64_t correct) {
  Meter result;
  result.add(loss, samples, correct);
  return result;
}

class TensorBoardTest : public testing::Test {
 protected:
  std::unique_ptr<Module> small_net() {
    Generator rng(1);
    models::LeNet5Options options;
    options.width = 3;
    return std::make_unique<models::LeNet5>(options, rng);
  }

  // The values of the only event file, by tag; steps of each.
  void read() {
    std::vector<std::string> files;
    for (const auto& entry :
         std::filesystem::directory_iterator(folder_.path())) {
      files.push_back(entry.path());
    }
    ASSERT_EQ(files.size(), 1u);
    log_ = io::read_events(files[0]);
    for (const io::EventRecord& record : log_.records) {
      for (const io::EventValue& value : record.values) {
        values_[value.tag] = value;
        steps_[value.tag].push_back(record.step);
      }
    }
  }
  float scalar(const std::string& tag) {
    return values_.at(tag).scalar.value();
  }

  const TemporaryFolder folder_;
  const Shape sample_{1, 28, 28};
  std::unique_ptr<Module> net_ = small_net();
  io::EventLog log_;
  std::map<std::string, io::EventValue> values_;
  std::map<std::string, std::vector<std::int64_t>> steps_;
};

TEST_F(TensorBoardTest, CurvesAreOfTheLoggingSteps) {
  TensorBoardReporter reporter(folder_.path(), *net_, sample_);
  StepRecord step;
  step.run_step = 3;
  step.interval = meter(2.5, 64, 16);
  step.so_far = meter(9.0, 64, 1);
  step.settings.learning_rate = 0.25;
  step.interval_seconds = 0.5;
  reporter.on_step(step);  // not a logging step
  step.run_step = 4;
  step.logging = true;
  reporter.on_step(step);
  step.run_step = 8;
  step.settings.damping = 0.125;
  step.settings.refreshes = 7;
  step.interval = meter(std::nan(""), 64, -1);
  reporter.on_step(step);
  read();
  EXPECT_THAT(steps_["train/loss"], ElementsAre(4, 8));
  EXPECT_TRUE(std::isnan(scalar("train/loss")));
  EXPECT_THAT(steps_["train/accuracy"], ElementsAre(4));
  EXPECT_EQ(scalar("train/accuracy"), 0.25F);
  EXPECT_THAT(steps_["learning_rate"], ElementsAre(4, 8));
  EXPECT_EQ(scalar("learning_rate"), 0.25F);
  EXPECT_THAT(steps_["damping"], ElementsAre(8));
  EXPECT_EQ(scalar("damping"), 0.125F);
  EXPECT_EQ(scalar("refreshes"), 7.0F);
  EXPECT_EQ(scalar("images_per_second"), 128.0F);
  EXPECT_EQ(values_.size(), 6u);
}

TEST_F(TensorBoardTest, AnEpochHasValidationHistogramsAndFilters) {
  TensorBoardReporter reporter(folder_.path(), *net_, sample_);
  EpochRecord epoch;
  epoch.run_step = 20;
  epoch.validation = meter(0.5, 200, 151);
  reporter.on_epoch(epoch);
  reporter.on_end({}, std::nullopt);
  read();
  EXPECT_EQ(scalar("validation/loss"), 0.5F);
  EXPECT_EQ(scalar("validation/accuracy"), 0.755F);
  for (const auto& [name, parameter] : net_->named_parameters()) {
    const io::Histogram h = values_.at("weights/" + name).histogram.value();
    EXPECT_EQ(h.count, static_cast<double>(parameter.numel())) << name;
    EXPECT_EQ(steps_["weights/" + name], (std::vector<std::int64_t>{20}));
  }
  // LeNet5 of width 3: three 5x5 filters of one channel, in a grid of 2 x 2
  // tiles of 4 x 5 pixels a side.
  const io::EventImage image = values_.at("filters/conv1.weight").image.value();
  EXPECT_EQ(image.height, 42);
  EXPECT_EQ(image.width, 42);
  EXPECT_EQ(image.channels, 1);
  EXPECT_EQ(io::decode_png(image.png, "filters").shape(), (Shape{42, 42, 1}));
  EXPECT_EQ(values_.size(), 2u + 10u + 1u);
}

TEST_F(TensorBoardTest, ACurvatureReportIsCurvesPerLayer) {
  TensorBoardReporter reporter(folder_.path(), *net_, sample_);
  CurvatureReport report;
  report.layers.resize(2);
  LayerReport& conv = report.layers[0];
  conv.name = "conv";
  conv.groups = 2;
  conv.group = 1;
  conv.a.damping_share = 0.25;
  conv.g.damping_share = 0.5;
  conv.a.condition = 100.0;
  conv.g.condition = 10.0;
  conv.cosine_to_gradient = 0.75;
  LayerReport& scale = report.layers[1];  // no side A
  scale.name = "bn";
  scale.a.damping_share = scale.a.condition = std::nan("");
  scale.g.damping_share = 1.0;
  scale.g.condition = 2.0;
  StepRecord step;
  step.run_step = 5;
  reporter.on_curvature(step, report);
  read();
  EXPECT_THAT(values_, UnorderedElementsAre(
                           Key("curvature/damping_a"),
                           Key("curvature/damping_g"), Key("curvature/cosine"),
                           Key("curvature_damping_share_a/conv.1"),
                           Key("curvature_damping_share_g/conv.1"),
                           Key("curvature_condition_a/conv.1"),
                           Key("curvature_condition_g/conv.1"),
                           Key("curvature_cosine_to_gradient/conv.1"),
                           Key("curvature_damping_share_g/bn"),
                           Key("curvature_condition_g/bn")));
  EXPECT_EQ(scalar("curvature/damping_a"), 0.25F);
  EXPECT_EQ(scalar("curvature/damping_g"), 0.75F);
  EXPECT_EQ(scalar("curvature_condition_a/conv.1"), 100.0F);
  EXPECT_EQ(steps_["curvature_condition_g/bn"].at(0), 5);
}

TEST_F(TensorBoardTest, TheEndHasTheTestImages) {
  TensorBoardReporter reporter(folder_.path(), *net_, sample_);
  FitResult result;
  result.run_steps = 40;
  reporter.on_end(result, meter(0.25, 100, 93));
  read();
  EXPECT_EQ(scalar("test/loss"), 0.25F);
  EXPECT_EQ(scalar("test/accuracy"), 0.93F);
  EXPECT_EQ(steps_["test/accuracy"].at(0), 40);
}

TEST_F(TensorBoardTest, ARunThatGoesOnSaysSo) {
  const TensorBoardReporter reporter(folder_.path(), *net_, sample_, 17);
  read();
  ASSERT_EQ(log_.records.size(), 2u);
  EXPECT_TRUE(log_.records[1].start);
  EXPECT_EQ(log_.records[1].step, 17);
  EXPECT_THAT(reporter.name(), StartsWith("events.out.tfevents."));
}

}  // namespace
}  // namespace mjolnir::train
