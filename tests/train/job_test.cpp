#include "train/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mjolnir/core/error.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/curvature/state.h>
#include <mjolnir/optim/sgd.h>
#include <mjolnir/train/model_file.h>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/train/files.h"

namespace mjolnir::train {
namespace {

using testing::HasSubstr;

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

TEST(ModelFile, ComesBackIntoAnotherModel) {
  const data::Dataset data = load_data(resolved(synthetic())).train;
  TrainOptions o = synthetic();
  o.model = "resnet8";
  o.width = 3;
  Generator rng(1);
  const auto saved = make_model(resolved(o), data, rng);
  const auto loaded = make_model(resolved(o), data, rng);
  (*saved)(Tensor::ones({2, 1, 28, 28}));  // moves the running statistics
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/model.safetensors";
  save_model(path, *saved);
  load_model(path, *loaded);
  const auto a = saved->state();
  const auto b = loaded->state();
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].first, b[i].first);
    if (a[i].second.dtype() == DType::F32) {
      EXPECT_EQ(a[i].second.to_vector<float>(), b[i].second.to_vector<float>())
          << a[i].first;
    }
  }
}

TEST(ModelFile, AnotherModelIsRefusedWithAllDifferences) {
  const data::Dataset data = load_data(resolved(synthetic())).train;
  Generator rng(1);
  TrainOptions o = synthetic();
  const auto mlp = make_model(resolved(o), data, rng);
  o.width = 9;
  const auto wider = make_model(resolved(o), data, rng);
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/model.safetensors";
  save_model(path, *mlp);
  const auto before = wider->parameters()[0].to_vector<float>();
  try {
    load_model(path, *wider);
    FAIL() << "must refuse";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("fc1.weight"));
    EXPECT_THAT(error.what(), HasSubstr("fc3.weight"));
  }
  EXPECT_EQ(wider->parameters()[0].to_vector<float>(), before);
  EXPECT_THROW(load_model(folder.path() + "/none", *wider), IoError);
}

// A file that lacks its last tensor's last byte, one of another model, and one
// that lacks a name: after each the model is what it was, and goes on.
TEST(ModelFile, AModelIsUsableAfterAFailedLoad) {
  const data::Dataset data = load_data(resolved(synthetic())).train;
  Generator rng(1);
  TrainOptions o = synthetic();
  o.model = "resnet8";
  o.width = 3;
  const auto model = make_model(resolved(o), data, rng);
  const TemporaryFolder folder;
  const std::string cut = folder.path() + "/cut";
  save_model(cut, *make_model(resolved(o), data, rng));
  std::filesystem::resize_file(cut, std::filesystem::file_size(cut) - 1);
  const std::string other = folder.path() + "/other";
  save_model(other, *make_model(resolved(synthetic()), data, rng));

  const Tensor x = normal({4, 1, 28, 28}, 0.0, 1.0, rng);
  const Tensor labels =
      Tensor::from(std::vector<std::int64_t>{0, 1, 2, 3}, {4});
  model->eval();
  const auto before = (*model)(x).to_vector<float>();
  auto fewer = model->state();
  for (auto& [name, tensor] : fewer) tensor = Tensor::zeros_like(tensor);
  fewer.pop_back();
  for (const std::function<void()>& load : std::vector<std::function<void()>>{
           [&] { load_model(cut, *model); }, [&] { load_model(other, *model); },
           [&] { model->load_state(fewer); }}) {
    EXPECT_THROW(load(), Error);
    EXPECT_EQ((*model)(x).to_vector<float>(), before);
  }

  optim::SgdOptions options;
  options.learning_rate = 0.05;
  options.momentum = 0.0;
  optim::Sgd sgd(*model, options);
  model->train();
  double first = 0.0, last = 0.0;
  for (int step = 0; step < 10; ++step) {
    sgd.zero_grad();
    const Tensor loss = cross_entropy((*model)(x), labels);
    loss.backward();
    sgd.step();
    last = loss.item();
    if (step == 0) first = last;
  }
  EXPECT_LT(last, first);
}

}  // namespace
}  // namespace mjolnir::train
