#include <mjolnir/curvature/ladder.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/curvature/refresh.h>

#include "tests/curvature/listener.h"

namespace mjolnir {
namespace {

using ::testing::HasSubstr;

TEST(Ladder, RaisesThreeTimesAndRelaxesOneByOne) {
  Ladder ladder("conv1");
  const auto a = Ladder::Side::A;
  const auto g = Ladder::Side::G;
  EXPECT_EQ(ladder.factor(a), 1.0);
  EXPECT_TRUE(ladder.raise(a, 0, "not positive definite"));
  EXPECT_EQ(ladder.factor(a), 10.0);
  EXPECT_EQ(ladder.factor(g), 1.0);
  EXPECT_TRUE(ladder.raise(a, 0, "not positive definite"));
  EXPECT_TRUE(ladder.raise(a, 0, "not positive definite"));
  EXPECT_EQ(ladder.factor(a), 1000.0);
  EXPECT_FALSE(ladder.raise(a, 0, "not positive definite"));
  EXPECT_EQ(ladder.factor(a), 1000.0);
  EXPECT_EQ(ladder.counts().raised, 3);
  ladder.relax(a);
  EXPECT_EQ(ladder.factor(a), 100.0);
  for (int i = 0; i < 5; ++i) ladder.relax(a);
  EXPECT_EQ(ladder.factor(a), 1.0);
}

TEST(Ladder, ItsStateComesBack) {
  Ladder ladder("conv1");
  const auto a = Ladder::Side::A;
  const auto g = Ladder::Side::G;
  ladder.raise(g, 0, "not positive definite");
  ladder.raise(g, 0, "not positive definite");
  ladder.keep(1);
  ladder.skip(2, "no reason");
  const SavedState state =
      save_state([&](StateVisitor& visitor) { ladder.visit_state(visitor); });
  Ladder other("conv1");
  other.raise(a, 0, "not positive definite");
  load_state(state, [&](StateVisitor& visitor) { other.visit_state(visitor); });
  EXPECT_EQ(other.factor(a), 1.0);
  EXPECT_EQ(other.factor(g), 100.0);
  EXPECT_EQ(other.counts().raised, 2);
  EXPECT_EQ(other.counts().kept, 1);
  EXPECT_EQ(other.counts().skipped, 1);
}

TEST(Ladder, EveryRungIsCountedAndEmittedWithLayerStepAndReason) {
  const std::int64_t before = event_count("ladder");
  Listener listener;
  Ladder ladder("layer1.0.conv2");
  ladder.not_finite(7, "factor A");
  ladder.raise(Ladder::Side::G, 8, "singular");
  ladder.keep(9);
  ladder.use_scalar(10, 2.5);
  ladder.skip(11, "the step is not finite");
  ASSERT_EQ(listener.events.size(), 5U);
  EXPECT_EQ(event_count("ladder"), before + 5);
  const std::vector<std::string> reasons = {
      "step 7: factor A is not finite",
      "step 8: the damped factor G is singular; its damping is now multiplied "
      "by 10",
      "step 9: the last good inverse stays", "step 10: no inverse yet",
      "step 11: the step is not finite; the tensor is left alone"};
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    EXPECT_THAT(listener.events[i].message, HasSubstr("layer1.0.conv2"));
    EXPECT_THAT(listener.events[i].message, HasSubstr(reasons[i]));
  }
  EXPECT_EQ(ladder.counts().not_finite, 1);
  EXPECT_EQ(ladder.counts().raised, 1);
  EXPECT_EQ(ladder.counts().kept, 1);
  EXPECT_EQ(ladder.counts().scalar, 1);
  EXPECT_EQ(ladder.counts().skipped, 1);
}

TEST(LookSchedule, LooksAtStepZeroAndEveryPeriod) {
  const LookSchedule looks(3, RefreshRule::fixed());
  for (long step = 0; step < 10; ++step) {
    EXPECT_EQ(looks.looks_at(step), step % 3 == 0) << step;
  }
  EXPECT_THROW(LookSchedule(0, RefreshRule::fixed()), ValueError);
  EXPECT_THROW(LookSchedule(-5, RefreshRule::fixed()), ValueError);
  EXPECT_NO_THROW(LookSchedule(1, RefreshRule::fixed()));
  EXPECT_THROW(LookSchedule(1, RefreshRule::thor_nt()), ValueError);
  EXPECT_NO_THROW(LookSchedule(2, RefreshRule::thor_nt()));
}

}  // namespace
}  // namespace mjolnir
