// What fit() does about steps that are not finite.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mjolnir/core/events.h>
#include <mjolnir/train/diagnosis.h>
#include <cmath>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/support/state.h"
#include "tests/train/resume_net.h"

namespace mjolnir::train {
namespace {

using mjolnir::testing::expect_same_bits;
using resume_tests::Net;
using resume_tests::Trial;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Steps with these numbers, from 1, have a loss that is not a number.
class BadSteps {
 public:
  explicit BadSteps(std::set<int> bad) : bad_(std::move(bad)) {}
  // Each bad one is looked at a second time, to find the layer.
  Objective objective() {
    Objective objective = classification();
    objective.loss = [this, inner = objective.loss](const Tensor& output,
                                                    const Batch& batch) {
      const Tensor loss = inner(output, batch);
      if (again_) {
        again_ = false;
        return loss * nan;
      }
      ++step_;
      again_ = bad_.count(step_) > 0;
      return again_ ? loss * nan : loss;
    };
    return objective;
  }

 private:
  std::set<int> bad_;
  int step_ = 0;
  bool again_ = false;
};

struct Heard {
  Heard() {
    previous = set_event_sink([this](const Event& event) {
      if (event.topic == "divergence") messages.push_back(event.message);
    });
  }
  ~Heard() { set_event_sink(previous); }
  Heard(const Heard&) = delete;
  Heard& operator=(const Heard&) = delete;

  EventSink previous;
  std::vector<std::string> messages;
};

TEST(OnDivergence, SkipLeavesTheBatchOutAndGoesOn) {
  const Heard heard;
  BadSteps bad({3, 9});
  Trial run(1);
  FitOptions options;
  options.objective = bad.objective();
  options.on_divergence = OnDivergence::Skip;
  SavedState before, after;
  options.checkpoint_every = 1;
  options.on_checkpoint = [&](FitCheckpoint moment) {
    if (moment.run_step == 2) before = std::move(moment.state);
  };
  const FitResult result = run.fit(options);
  EXPECT_EQ(result.status, FitStatus::Completed);
  EXPECT_EQ(result.skipped, 2);
  EXPECT_EQ(result.run_steps, 19);
  EXPECT_EQ(run.thor.steps(), 19);
  // Batch 3 is gone: the steps of the run count on, those of the epoch skip.
  EXPECT_THAT(
      std::vector<double>(run.steps[2].begin(), run.steps[2].begin() + 3),
      ElementsAre(1, 4, 3));
  ASSERT_EQ(heard.messages.size(), 2u);
  EXPECT_THAT(heard.messages[0],
              HasSubstr("in step 3 of epoch 1: the loss is not a number"));
  EXPECT_THAT(heard.messages[0], HasSubstr("the batch is left out"));
  EXPECT_THAT(heard.messages[1], HasSubstr("in step 2 of epoch 2"));
}

// A loader without the batch gives the same model as one whose batch is left
// out: the parameters, buffers and the optimizer did not move.
TEST(OnDivergence, ALeftOutBatchLeavesNoTrace) {
  Trial skipping(1);
  BadSteps bad({7});  // the last of the epoch
  FitOptions options;
  options.objective = bad.objective();
  options.on_divergence = OnDivergence::Skip;
  options.validation = nullptr;
  int calls = 0;
  options.stop = [&] { return ++calls == 7; };
  EXPECT_EQ(skipping.fit(options).status, FitStatus::Interrupted);
  Trial plain(1);
  FitOptions six;
  int steps = 0;
  six.stop = [&] { return ++steps == 6; };
  EXPECT_EQ(plain.fit(six).status, FitStatus::Interrupted);
  expect_same_bits(skipping.model(), plain.model(), "model");
  expect_same_bits(skipping.thor.state(), plain.thor.state(), "optimizer");
}

TEST(OnDivergence, LowerHalvesTheRateForGood) {
  const Heard heard;
  Trial plain(1);
  plain.fit({});
  BadSteps bad({3, 9});
  Trial run(1);
  FitOptions options;
  options.objective = bad.objective();
  options.on_divergence = OnDivergence::Lower;
  EXPECT_EQ(run.fit(options).status, FitStatus::Completed);
  const std::size_t rate = 5;
  EXPECT_EQ(run.steps[1][rate], plain.steps[1][rate]);
  EXPECT_EQ(run.steps[2][rate], 0.5 * plain.steps[2][rate]);
  EXPECT_EQ(run.steps[18][rate], 0.25 * plain.steps[18][rate]);
  ASSERT_EQ(heard.messages.size(), 2u);
  EXPECT_THAT(heard.messages[1], HasSubstr("the learning rate halved"));
}

TEST(OnDivergence, GivesUpWhenNothingElseComes) {
  std::set<int> all;
  for (int step = 3; step < 100; ++step) all.insert(step);
  for (const OnDivergence what : {OnDivergence::Skip, OnDivergence::Lower}) {
    BadSteps bad(all);
    Trial run(1);
    FitOptions options;
    options.objective = bad.objective();
    options.on_divergence = what;
    const FitResult result = run.fit(options);
    EXPECT_EQ(result.status, FitStatus::Diverged);
    EXPECT_EQ(result.run_steps, 2);
    EXPECT_EQ(result.skipped, most_skipped);
    EXPECT_THAT(result.reason, HasSubstr("so were the 9 batches before"));
  }
}

TEST(OnDivergence, AGradientThatIsNotFiniteNamesItsParameter) {
  const Heard heard;
  Trial run(1);
  int calls = 0;
  HookHandle hook = run.net.fc.weight.on_gradient([&](const Tensor& gradient) {
    return ++calls == 4 ? Tensor::full(gradient.shape(), nan) : gradient;
  });
  FitOptions options;
  options.on_divergence = OnDivergence::Skip;
  EXPECT_EQ(run.fit(options).skipped, 1);
  ASSERT_EQ(heard.messages.size(), 1u);
  EXPECT_THAT(heard.messages[0], HasSubstr("fc.weight"));
  EXPECT_THAT(heard.messages[0], HasSubstr("in step 4 of epoch 1"));
}

TEST(OnDivergence, TheScaleOfTheRateSurvivesAResumption) {
  BadSteps bad({3});
  Trial run(1);
  FitOptions options;
  options.objective = bad.objective();
  options.on_divergence = OnDivergence::Lower;
  SavedState state;
  options.checkpoint_every = 1;
  options.on_checkpoint = [&](FitCheckpoint moment) {
    if (moment.run_step == 4) state = std::move(moment.state);
  };
  const FitResult whole = run.fit(options);
  Trial other(9);
  FitOptions rest;
  rest.on_divergence = OnDivergence::Lower;
  rest.resume = &state;
  const FitResult result = other.fit(rest);
  EXPECT_EQ(result.skipped, 1);
  EXPECT_EQ(result.run_steps, whole.run_steps);
  expect_same_bits(other.model(), run.model(), "after a halved rate");
}

// The first place where something is wrong, in a net that is otherwise sound.
TEST(Diagnosis, NamesTheFirstLayerWhoseInputIsNotFinite) {
  Trial run(1);
  data::Loader loader(resume_tests::images(8, 0), {8});
  const Batch batch = *loader.begin();
  const Objective objective = classification();
  EXPECT_THAT(where_not_finite(run.net, objective, batch),
              HasSubstr("the loss of it is not"));
  run.net.bn.bias.fill(5);  // no feature is near 0
  run.net.fc.weight.fill(3e38);
  EXPECT_THAT(where_not_finite(run.net, objective, batch),
              HasSubstr("what follows fc is not finite"));
  run.net.bn.weight.fill(std::numeric_limits<double>::infinity());
  EXPECT_THAT(where_not_finite(run.net, objective, batch),
              HasSubstr("the input of fc is the first"));
  Batch bad{Tensor::full(batch.images.shape(), nan), batch.labels};
  EXPECT_THAT(where_not_finite(run.net, objective, bad),
              HasSubstr("the images of the batch"));
}

TEST(Diagnosis, LeavesGradientsAndRandomNumbersAlone) {
  Trial run(1);
  data::Loader loader(resume_tests::images(8, 0), {8});
  const Batch batch = *loader.begin();
  const Generator::State before = run.net.drop.generator().state();
  where_not_finite(run.net, classification(), batch);
  EXPECT_FALSE(run.net.fc.weight.grad().defined());
  const Generator::State after = run.net.drop.generator().state();
  EXPECT_EQ(after.counter, before.counter);
  EXPECT_EQ(after.lane, before.lane);
}

// A model whose statistics are broken is never the best, however well it does.
TEST(BestEpoch, IsNeverOneThatIsNotFinite) {
  Trial run(1);
  FitOptions options;
  int epoch = 0;
  options.validation_objective.correct = [&](const Tensor& output,
                                             const Batch&) {
    return output.size(0);  // always right
  };
  options.validation_objective.loss = [&epoch, inner = classification()](
                                          const Tensor& output,
                                          const Batch& batch) {
    return inner.loss(output, batch) * (epoch == 0 ? nan : 1.0);
  };
  options.on_checkpoint = [&](FitCheckpoint) { ++epoch; };
  const FitResult result = run.fit(options);
  EXPECT_EQ(result.best_epoch, 2);  // the first has no loss
  EXPECT_FALSE(result.epochs.at(0).best);

  Trial broken(1);
  FitOptions always;
  always.validation_objective = options.validation_objective;
  epoch = 1;
  always.on_checkpoint = [&](FitCheckpoint) {
    broken.net.bn.running_mean.fill(nan);
  };
  const FitResult after = broken.fit(always);
  EXPECT_EQ(after.best_epoch, 1);
}

}  // namespace
}  // namespace mjolnir::train
