#include "train/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mjolnir/core/ops.h>
#include <mjolnir/optim/sgd.h>
#include <mjolnir/train/evaluate.h>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

namespace mjolnir::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Logits weight * mean(image); the buffer counts training passes.
class Probe : public Module {
 public:
  Probe() {
    weight = Tensor::from<float>({0.5F, -0.25F}, {1, 2});
    passes = Tensor::zeros({1});
    add("weight", weight);
    add_buffer("passes", passes);
  }
  Tensor operator()(const Tensor& x) override {
    if (training()) {
      passes.fill(passes.item() + 1.0);
    }
    const Tensor level = mean(flatten(x), Axes{1}, true);  // (N,1)
    return matmul(level, weight);                          // (N,2)
  }

  Tensor weight;
  Tensor passes;
};

// `count` images of 2x3 pixels, every other one bright and of class 1.
data::Dataset images(std::int64_t count) {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < count; ++i) {
    labels.push_back(i % 2);
    pixels.insert(pixels.end(), 6,
                  static_cast<std::uint8_t>(50 + 150 * (i % 2)));
  }
  data::DatasetParts parts;
  parts.name = "probe";
  parts.images = Tensor::from<std::uint8_t>(pixels, {count, 1, 2, 3});
  parts.labels = Tensor::from<std::int64_t>(labels, {count});
  parts.class_names = {"dark", "bright"};
  parts.mean = {0.5};
  parts.stddev = {0.25};
  return data::Dataset(parts);
}

data::Loader loader(std::int64_t count, std::int64_t batch) {
  data::LoaderOptions options;
  options.batch = batch;
  return data::Loader(images(count), options);
}

optim::Sgd sgd(Probe& probe) {
  optim::SgdOptions options;
  options.learning_rate = 0.1;
  options.momentum = 0.5;
  return optim::Sgd(probe, options);
}

// Wraps an objective: call number `bad` gives a loss that is not finite.
Objective failing_at(int bad, double value) {
  Objective objective = classification();
  auto calls = std::make_shared<int>(0);
  objective.loss = [inner = objective.loss, calls, bad, value](
                       const Tensor& output, const Batch& batch) {
    const Tensor loss = inner(output, batch);
    return ++*calls == bad ? loss * value : loss;
  };
  return objective;
}

TEST(Fit, TrainsAndCounts) {
  Probe probe;
  optim::Sgd optimizer = sgd(probe);
  data::Loader training = loader(10, 4);  // 4 + 4 + 2
  FitOptions options;
  options.epochs = 3;
  options.log_every = 2;
  std::vector<std::int64_t> logged;
  std::vector<std::int64_t> interval_samples;
  std::vector<std::int64_t> epoch_samples;
  options.on_step = [&](const StepRecord& record) {
    EXPECT_EQ(record.steps, 3);
    EXPECT_EQ(record.run_step, 3 * (record.epoch - 1) + record.step);
    EXPECT_EQ(record.settings.learning_rate, 0.1);
    EXPECT_FALSE(record.settings.damping.has_value());
    if (record.logging) {
      logged.push_back(record.run_step);
      interval_samples.push_back(record.interval.samples);
    }
  };
  options.on_epoch = [&](const EpochRecord& record) {
    epoch_samples.push_back(record.training.samples);
    EXPECT_FALSE(record.validation.has_value());
  };
  const FitResult result = fit(probe, optimizer, training, options);
  EXPECT_EQ(result.status, FitStatus::Completed);
  EXPECT_EQ(result.run_steps, 9);
  EXPECT_EQ(result.best_epoch, 0);
  EXPECT_EQ(probe.passes.item(), 9.0);
  EXPECT_THAT(logged, ElementsAre(2, 4, 6, 8));
  EXPECT_THAT(interval_samples, ElementsAre(8, 6, 6, 8));
  EXPECT_THAT(epoch_samples, ElementsAre(10, 10, 10));
  EXPECT_LT(result.epochs.back().training.loss(),
            result.epochs.front().training.loss());
}

// A signal during the validation must not wait for the next step.
TEST(Fit, StopsWithinAValidation) {
  Probe probe;
  optim::Sgd optimizer = sgd(probe);
  data::Loader training = loader(4, 4);
  data::Loader validation = loader(12, 4);
  FitOptions options;
  options.validation = &validation;
  options.epochs = 5;
  // one step, then two of the three batches
  options.stop = [calls = 0]() mutable { return ++calls >= 3; };
  const FitResult result = fit(probe, optimizer, training, options);
  EXPECT_EQ(result.status, FitStatus::Interrupted);
  EXPECT_EQ(result.run_steps, 1);
  EXPECT_TRUE(result.epochs.empty());
}

TEST(Fit, ANonFiniteLossKeepsTheStateBeforeTheStep) {
  for (const double value : {std::numeric_limits<double>::quiet_NaN(),
                             std::numeric_limits<double>::infinity()}) {
    // What two good steps give.
    Probe expected;
    {
      optim::Sgd optimizer = sgd(expected);
      data::Loader training = loader(12, 4);
      FitOptions options;
      options.stop = [calls = 0]() mutable { return ++calls == 2; };
      EXPECT_EQ(fit(expected, optimizer, training, options).status,
                FitStatus::Interrupted);
    }
    Probe probe;
    optim::Sgd optimizer = sgd(probe);
    data::Loader training = loader(12, 4);
    FitOptions options;
    options.epochs = 2;
    options.objective = failing_at(3, value);
    const FitResult result = fit(probe, optimizer, training, options);
    EXPECT_EQ(result.status, FitStatus::Diverged);
    EXPECT_EQ(result.run_steps, 2);
    EXPECT_TRUE(result.epochs.empty());
    EXPECT_THAT(result.reason, HasSubstr("step 3 of epoch 1"));
    EXPECT_EQ(probe.weight.to_vector<float>(),
              expected.weight.to_vector<float>());
    EXPECT_EQ(probe.passes.item(), 2.0);  // buffers too
  }
}

TEST(Fit, ANonFiniteGradientKeepsTheStateToo) {
  Probe probe;
  const std::vector<float> before = probe.weight.to_vector<float>();
  HookHandle hook = probe.weight.on_gradient([](const Tensor& gradient) {
    return Tensor::full(gradient.shape(),
                        std::numeric_limits<double>::quiet_NaN());
  });
  optim::Sgd optimizer = sgd(probe);
  data::Loader training = loader(4, 4);
  const FitResult result = fit(probe, optimizer, training, {});
  EXPECT_EQ(result.status, FitStatus::Diverged);
  EXPECT_THAT(result.reason, HasSubstr("weight"));
  EXPECT_EQ(probe.weight.to_vector<float>(), before);
  EXPECT_EQ(probe.passes.item(), 0.0);
}

// Validation accuracy k/4 in the k-th evaluation of `correct`.
Objective scripted(std::vector<std::int64_t> correct) {
  Objective objective = classification();
  objective.correct = [correct, call = std::size_t{0}](const Tensor&,
                                                       const Batch&) mutable {
    return correct.at(call++);
  };
  return objective;
}

TEST(Fit, EndsWithTheEarliestOfTheBestEpochs) {
  Probe probe;
  optim::Sgd optimizer = sgd(probe);
  data::Loader training = loader(8, 4);
  data::Loader validation = loader(4, 4);
  FitOptions options;
  options.epochs = 4;
  options.validation = &validation;
  options.validation_objective = scripted({1, 3, 3, 2});
  std::vector<std::vector<float>> weights;
  std::vector<bool> best;
  options.on_epoch = [&](const EpochRecord& record) {
    weights.push_back(probe.weight.to_vector<float>());
    best.push_back(record.best);
    EXPECT_EQ(record.validation->samples, 4);
  };
  const FitResult result = fit(probe, optimizer, training, options);
  EXPECT_EQ(result.best_epoch, 2);
  EXPECT_THAT(best, ElementsAre(true, true, false, false));
  EXPECT_EQ(probe.weight.to_vector<float>(), weights.at(1));
  EXPECT_NE(weights.at(1), weights.at(3));
  EXPECT_EQ(probe.passes.item(), 4.0);  // two epochs of two steps
  EXPECT_TRUE(probe.training());
}

TEST(Fit, RefusesWhatCannotBeTrained) {
  Probe probe;
  optim::Sgd optimizer = sgd(probe);
  data::Loader training = loader(4, 4);
  FitOptions options;
  options.epochs = 0;
  EXPECT_THROW(fit(probe, optimizer, training, options), ValueError);
  options.epochs = 1;
  options.log_every = 0;
  EXPECT_THROW(fit(probe, optimizer, training, options), ValueError);
  data::Loader nothing = loader(0, 4);
  EXPECT_THROW(fit(probe, optimizer, nothing, {}), ValueError);
}

TEST(Evaluate, CountsEverySampleAndTouchesNothing) {
  Probe probe;
  probe.train();
  data::Loader whole = loader(11, 11);
  data::Loader pieces = loader(11, 3);  // 3 + 3 + 3 + 2
  const Meter a = evaluate(probe, whole);
  const Meter b = evaluate(probe, pieces);
  EXPECT_EQ(a.samples, 11);
  EXPECT_EQ(b.samples, 11);
  EXPECT_EQ(a.correct, b.correct);
  EXPECT_NEAR(a.loss(), b.loss(), 1e-6);
  EXPECT_TRUE(probe.training());
  EXPECT_EQ(probe.passes.item(), 0.0);
  EXPECT_FALSE(probe.weight.grad().defined());
}

TEST(Evaluate, OfNoSamplesIsEmptyAndNotANumber) {
  Probe probe;
  probe.train();
  data::Loader none = loader(0, 4);
  const Meter meter = evaluate(probe, none);
  EXPECT_EQ(meter.samples, 0);
  EXPECT_EQ(meter.correct, 0);
  EXPECT_TRUE(std::isnan(meter.loss()));
  EXPECT_TRUE(std::isnan(meter.accuracy()));
  EXPECT_TRUE(std::isnan(meter.standard_error()));
  EXPECT_TRUE(probe.training());
}

TEST(Evaluate, AgreesWithTheDefinition) {
  Probe probe;
  data::Loader batches = loader(2, 2);
  // Pixels 50 and 200 give levels (p/255 - 0.5)/0.25; logits are the level
  // times (0.5, -0.25), classes 0 and 1.
  double loss = 0.0;
  const double levels[] = {(50.0 / 255.0 - 0.5) / 0.25,
                           (200.0 / 255.0 - 0.5) / 0.25};
  for (int i = 0; i < 2; ++i) {
    const double z[] = {0.5 * levels[i], -0.25 * levels[i]};
    loss += std::log(std::exp(z[0]) + std::exp(z[1])) - z[i];
  }
  const Meter meter = evaluate(probe, batches);
  EXPECT_NEAR(meter.loss(), loss / 2.0, 1e-6);
  // A dark image makes the second logit larger, a bright one the first.
  EXPECT_EQ(meter.correct, 0);
}

TEST(Objective, ReconstructionSumsPixelsAndAveragesImages) {
  Batch batch;
  batch.images = Tensor::from<float>({0.0F, 1.0F, 0.25F, 0.5F}, {2, 1, 1, 2});
  const Tensor logits = Tensor::zeros({2, 2});
  const Objective objective = reconstruction();
  // Logit 0 is probability 1/2: log 2 for each pixel, whatever its value.
  EXPECT_NEAR(objective.loss(logits, batch).item(), 2.0 * std::log(2.0), 1e-6);
  EXPECT_FALSE(objective.correct);
}

}  // namespace
}  // namespace mjolnir::train
