#include "train/job.h"

#include <gtest/gtest.h>

#include <mjolnir/core/error.h>
#include <mjolnir/curvature/state.h>
#include <mjolnir/optim/sgd.h>
#include <string>
#include <vector>

#include "tests/train/files.h"

namespace mjolnir::train {
namespace {

TrainOptions synthetic() {
  TrainOptions o;
  o.data = "synthetic";
  o.model = "mlp";
  o.width = 8;
  return o;
}

TEST(Job, ValidationImagesAreTakenFromTheTrainingImages) {
  TrainOptions o = synthetic();
  o.validation = 300;
  const JobData data = load_data(resolved(o));
  EXPECT_EQ(data.validation.size(), 300);
  EXPECT_EQ(data.train.size(), 1700);
  o.validation = 0;
  EXPECT_EQ(load_data(resolved(o)).train.size(), 2000);
  EXPECT_EQ(load_data(resolved(o)).validation.size(), 0);
  o.validation = 2000;
  EXPECT_THROW(load_data(resolved(o)), UsageError);
}

TEST(Job, TheSplitFollowsTheSeed) {
  const auto labels = [](std::int64_t seed) {
    TrainOptions o = synthetic();
    o.validation = 50;
    o.seed = seed;
    const JobData data = load_data(resolved(o));
    std::vector<std::int64_t> result;
    for (std::int64_t i = 0; i < data.validation.size(); ++i) {
      result.push_back(data.validation.label(i));
    }
    return result;
  };
  EXPECT_EQ(labels(3), labels(3));
  EXPECT_NE(labels(3), labels(4));
}

TEST(Job, EveryModelNameMakesItsModel) {
  const data::Dataset data = load_data(resolved(synthetic())).train;
  Generator rng(0);
  struct Case {
    const char* name;
    const char* parameter;
    std::int64_t width;
  };
  for (const Case& c : std::vector<Case>{{"resnet8", "layer3.0.conv2", 4},
                                         {"resnet20", "layer3.2.conv2", 4},
                                         {"resnet32", "layer3.4.conv2", 4},
                                         {"resnet44", "layer3.6.conv2", 2},
                                         {"resnet56", "layer3.8.conv2", 2},
                                         {"resnet110", "layer3.17.conv2", 2},
                                         {"resnet18", "layer4.1.conv2", 2},
                                         {"lenet5", "conv2", 3},
                                         {"mlp", "fc1", 7}}) {
    TrainOptions o = synthetic();
    o.model = c.name;
    o.width = c.width;
    const auto model = make_model(resolved(o), data, rng);
    bool found = false;
    for (const auto& [name, tensor] : model->named_parameters()) {
      found = found || name == std::string(c.parameter) + ".weight";
    }
    EXPECT_TRUE(found) << c.name << "\n" << model->str();
    const Tensor y = (*model)(Tensor::zeros({2, 1, 28, 28}));
    EXPECT_EQ(y.shape(), (Shape{2, 10})) << c.name;
  }
}

TEST(Job, OnlyThorHasCurvature) {
  const data::Dataset data = load_data(resolved(synthetic())).train;
  for (const char* name : {"thor", "sgd", "adamw"}) {
    TrainOptions o = synthetic();
    o.optimizer = name;
    o.damping = 0.3;
    Generator rng(0);
    const auto model = make_model(resolved(o), data, rng);
    const auto optimizer = make_optimizer(resolved(o), *model, 10);
    const auto* state = dynamic_cast<const CurvatureState*>(optimizer.get());
    EXPECT_EQ(state != nullptr, o.optimizer == "thor");
    if (state != nullptr) {
      EXPECT_EQ(state->curvature().size(), 3u);  // the layers of the mlp
      EXPECT_EQ(state->damping(), 0.3);
    }
  }
}

TEST(Job, SchedulesHaveTheDocumentedShape) {
  TrainOptions o;
  o.epochs = 10;
  o.learning_rate = 0.4;
  o.warmup = 0.0;
  const auto at = [&o](const char* name, long step) {
    o.schedule = name;
    return make_schedule(resolved(o), 100)(step);
  };
  EXPECT_DOUBLE_EQ(at("constant", 0), 0.4);
  EXPECT_DOUBLE_EQ(at("constant", 999), 0.4);
  EXPECT_DOUBLE_EQ(at("linear", 250), 0.3);
  EXPECT_DOUBLE_EQ(at("linear", 1000), 0.0);
  EXPECT_DOUBLE_EQ(at("cosine", 0), 0.4);
  EXPECT_NEAR(at("cosine", 500), 0.2, 1e-12);
  EXPECT_NEAR(at("cosine", 1000), 0.0, 1e-12);
  EXPECT_DOUBLE_EQ(at("step", 499), 0.4);
  EXPECT_DOUBLE_EQ(at("step", 500), 0.04);
  EXPECT_NEAR(at("step", 750), 0.004, 1e-12);
  EXPECT_NEAR(at("step", 999), 0.004, 1e-12);
  // (1 - 5.01/10)^4.0839 of 0.4 in the middle, 0 at the end, never rising.
  EXPECT_NEAR(at("thor", 500), 0.0233955, 1e-7);
  EXPECT_NEAR(at("thor", 999), 0.0, 1e-12);
  for (long step = 1; step < 1000; ++step) {
    EXPECT_LE(at("thor", step), at("thor", step - 1));
  }
}

TEST(Job, WarmUpRisesOverItsShareOfTheRun) {
  TrainOptions o;
  o.epochs = 2;
  o.learning_rate = 1.0;
  o.warmup = 0.1;
  o.schedule = "linear";
  const optim::Schedule rate = make_schedule(resolved(o), 50);
  EXPECT_DOUBLE_EQ(rate(0), 0.1);
  EXPECT_DOUBLE_EQ(rate(9), 1.0);
  EXPECT_DOUBLE_EQ(rate(10), 1.0);
  EXPECT_DOUBLE_EQ(rate(55), 0.5);
  EXPECT_DOUBLE_EQ(rate(100), 0.0);
  // One step in all: nothing is left to warm up in.
  o.epochs = 1;
  o.warmup = 0.9;
  EXPECT_DOUBLE_EQ(make_schedule(resolved(o), 1)(0), 1.0);
}

TEST(Job, DampingFollowsTheScheduleOfThor) {
  TrainOptions o = synthetic();
  o.schedule = "thor";
  o.damping = 0.3;
  const data::Dataset data = load_data(resolved(o)).train;
  Generator rng(0);
  const auto model = make_model(resolved(o), data, rng);
  const auto optimizer = make_optimizer(resolved(o), *model, 1);
  // The first step ends the first epoch: 0.3 * 0.50036^(1/10).
  EXPECT_NEAR(dynamic_cast<CurvatureState&>(*optimizer).damping(), 0.279930,
              1e-5);
}

TEST(Job, AugmentationIsWhatTheFlagSays) {
  TrainOptions o;
  o.augment = "crop-flip-cutout";
  o.data = "cifar10";
  data::LoaderOptions batches = training_batches(o);
  EXPECT_EQ(batches.augment.crop_padding, 4);
  EXPECT_TRUE(batches.augment.flip);
  EXPECT_EQ(batches.augment.cutout, 8);
  EXPECT_TRUE(batches.shuffle);
  o.augment = "crop";
  o.data = "mnist";
  batches = training_batches(o);
  EXPECT_EQ(batches.augment.crop_padding, 2);
  EXPECT_FALSE(batches.augment.flip);
  EXPECT_EQ(batches.augment.cutout, 0);
  o.augment = "none";
  EXPECT_EQ(training_batches(o).augment.crop_padding, 0);
  EXPECT_FALSE(evaluation_batches(o).shuffle);
  EXPECT_EQ(evaluation_batches(o).augment.crop_padding, 0);
}

}  // namespace
}  // namespace mjolnir::train
