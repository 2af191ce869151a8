#include <mjolnir/optim/schedule.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include <mjolnir/core/error.h>

namespace mjolnir::optim {
namespace {

using ::testing::HasSubstr;

TEST(Schedule, ConvertsFromNumbersAndCallables) {
  const Schedule number = 0.25;
  const Schedule integer = 3;
  const Schedule lambda = [](long step) { return 2.0 * step; };
  EXPECT_EQ(number(0), 0.25);
  EXPECT_EQ(number(1000000), 0.25);
  EXPECT_EQ(integer(7), 3.0);
  EXPECT_EQ(lambda(21), 42.0);
  EXPECT_EQ(constant(0.5)(9), 0.5);
}

TEST(Schedule, RefusesAnEmptyFunction) {
  EXPECT_THROW(Schedule(std::function<double(long)>()), ValueError);
}

TEST(Schedule, StepDecayHoldsThenFalls) {
  const Schedule s = step_decay(0.8, 30, 0.5);
  EXPECT_DOUBLE_EQ(s(0), 0.8);
  EXPECT_DOUBLE_EQ(s(29), 0.8);
  EXPECT_DOUBLE_EQ(s(30), 0.4);
  EXPECT_DOUBLE_EQ(s(89), 0.2);
}

TEST(Schedule, CosineHasItsLandmarks) {
  const Schedule s = cosine(0.4, 100, 0.1);
  EXPECT_DOUBLE_EQ(s(0), 0.4);
  EXPECT_NEAR(s(50), 0.25, 1e-15);
  EXPECT_NEAR(s(25), 0.25 + 0.15 * std::sqrt(0.5), 1e-15);
  EXPECT_DOUBLE_EQ(s(100), 0.1);
  EXPECT_DOUBLE_EQ(s(1000), 0.1);
}

TEST(Schedule, LinearIsAStraightLine) {
  const Schedule s = linear(1.0, 8, 0.2);
  EXPECT_DOUBLE_EQ(s(0), 1.0);
  EXPECT_DOUBLE_EQ(s(2), 0.8);
  EXPECT_DOUBLE_EQ(s(8), 0.2);
  EXPECT_DOUBLE_EQ(s(9), 0.2);
}

TEST(Schedule, PolynomialFallsToItsEnd) {
  const Schedule s = polynomial(0.9, 10, 2.0, 0.1);
  EXPECT_DOUBLE_EQ(s(0), 0.9);
  EXPECT_DOUBLE_EQ(s(5), 0.1 + 0.8 * 0.25);
  EXPECT_DOUBLE_EQ(s(10), 0.1);
  EXPECT_DOUBLE_EQ(s(11), 0.1);
}

TEST(Schedule, WarmUpRampsToTheFirstValueThenHandsOver) {
  const Schedule s = warm_up(4, linear(0.8, 10));
  EXPECT_DOUBLE_EQ(s(0), 0.2);
  EXPECT_DOUBLE_EQ(s(1), 0.4);
  EXPECT_DOUBLE_EQ(s(3), 0.8);
  EXPECT_DOUBLE_EQ(s(4), 0.8);
  EXPECT_DOUBLE_EQ(s(9), 0.4);
  EXPECT_DOUBLE_EQ(warm_up(0, 0.3)(0), 0.3);
}

// Golden numbers of the published configurations, 5004 steps an epoch.
TEST(Schedule, ThorMatchesThePublishedConfigurations) {
  const long epoch = 5004;
  ThorLearningRate ascend;
  ascend.steps_per_epoch = epoch;
  ThorDamping ascend_damping;
  ascend_damping.steps_per_epoch = epoch;
  EXPECT_NEAR(thor_learning_rate(ascend)(0), 0.0580291, 5e-8);
  EXPECT_NEAR(thor_damping(ascend_damping)(0), 0.0299996, 5e-8);
  EXPECT_NEAR(thor_learning_rate(ascend)(10 * epoch - 1), 0.0247061, 5e-8);
  EXPECT_NEAR(thor_damping(ascend_damping)(10 * epoch - 1), 0.0150108, 5e-8);

  ThorLearningRate gpu;
  gpu.initial = 0.05672;
  gpu.decay = 4.9687;
  gpu.end_epoch = 50.0;
  gpu.steps_per_epoch = epoch;
  ThorDamping gpu_damping;
  gpu_damping.initial = 0.02345;
  gpu_damping.decay = 0.5467;
  gpu_damping.steps_per_epoch = epoch;
  EXPECT_NEAR(thor_learning_rate(gpu)(0), 0.0567189, 5e-8);
  EXPECT_NEAR(thor_damping(gpu_damping)(0), 0.0234497, 5e-8);
}

TEST(Schedule, ThorHalvesAtItsTwoEpochs) {
  ThorLearningRate flat;
  flat.initial = 1.0;
  flat.decay = 0.0;
  flat.steps_per_epoch = 10;
  const Schedule s = thor_learning_rate(flat);
  EXPECT_DOUBLE_EQ(s(388), 1.0);  // epoch 38.9
  EXPECT_DOUBLE_EQ(s(389), 0.5);  // epoch 39
  EXPECT_DOUBLE_EQ(s(399), 0.25);
}

TEST(Schedule, RefusesArgumentsOutsideTheirDomain) {
  EXPECT_THROW(step_decay(0.1, 0, 0.5), ValueError);
  EXPECT_THROW(cosine(0.1, 0), ValueError);
  EXPECT_THROW(linear(0.1, -1), ValueError);
  EXPECT_THROW(polynomial(0.1, 0, 1.0), ValueError);
  EXPECT_THROW(warm_up(-1, 0.1), ValueError);
  ThorLearningRate rate;
  rate.steps_per_epoch = 0;
  EXPECT_THROW(thor_learning_rate(rate), ValueError);
  ThorDamping damping;
  damping.initial = std::nan("");
  EXPECT_THROW(thor_damping(damping), ValueError);
}

TEST(Schedule, RefusesWhenMadeAndNamesTheValue) {
  const auto message_of = [](const std::function<void()>& make) {
    try {
      make();
    } catch (const ValueError& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  const double nan = std::nan("");
  const double infinity = HUGE_VAL;
  EXPECT_THAT(message_of([] { polynomial(0.1, 10, -2.0); }),
              HasSubstr("[polynomial] expected a power of at least 0 and "
                        "finite, got -2"));
  EXPECT_THAT(message_of([&] { cosine(nan, 10); }),
              HasSubstr("[cosine] expected a finite initial value, got nan"));
  EXPECT_THAT(message_of([&] { cosine(0.1, 10, infinity); }),
              HasSubstr("final value, got inf"));
  EXPECT_THAT(message_of([&] { linear(infinity, 10); }), HasSubstr("[linear]"));
  EXPECT_THAT(message_of([&] { step_decay(0.1, 3, -0.5); }),
              HasSubstr("a factor of at least 0 and finite, got -0.5"));
  EXPECT_THAT(message_of([] { step_decay(0.1, -4, 0.5); }),
              HasSubstr("a period of at least 1, got -4"));
  ThorLearningRate rate;
  rate.initial = infinity;
  EXPECT_THAT(message_of([&] { thor_learning_rate(rate); }),
              HasSubstr("an initial rate of at least 0 and finite, got inf"));
  rate = {};
  rate.end_epoch = 0.0;
  EXPECT_THAT(message_of([&] { thor_learning_rate(rate); }),
              HasSubstr("an end epoch above 0 and finite, got 0"));
  rate = {};
  rate.first_half = nan;
  EXPECT_THAT(message_of([&] { thor_learning_rate(rate); }),
              HasSubstr("got nan"));
  rate = {};
  rate.steps_per_epoch = -3;
  EXPECT_THAT(message_of([&] { thor_learning_rate(rate); }),
              HasSubstr("got -3"));
  ThorDamping damping;
  damping.decay = -1e-7;
  EXPECT_THAT(message_of([&] { thor_damping(damping); }),
              HasSubstr("got -1e-07"));
}

}  // namespace
}  // namespace mjolnir::optim
