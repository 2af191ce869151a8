#include <mjolnir/curvature/trace_rule.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include <mjolnir/core/error.h>

namespace mjolnir {
namespace {

TraceRuleOptions rule(double w1, double w2,
                      TraceReference reference = TraceReference::LastLook) {
  TraceRuleOptions options;
  options.refresh_above = w1;
  options.freeze_below = w2;
  options.reference = reference;
  return options;
}

// tau 200 then 210, lambda 0.5, 200 rows: |10| / (200 + 100) = 1/30.
TEST(TraceRule, DeltaIsTheRelativeChangeOfTheDampedTrace) {
  TraceRule looks(rule(0.04, 0.0));
  const TraceDecision first = looks.look(200.0, 0.5, 200.0);
  EXPECT_EQ(first.verdict, Verdict::Refresh);
  EXPECT_EQ(first.reference, 0.0);
  EXPECT_NEAR(first.share, 2.0 / 3.0, 1e-15);
  const TraceDecision second = looks.look(210.0, 0.5, 200.0);
  EXPECT_NEAR(second.delta, 1.0 / 30.0, 1e-15);
  EXPECT_NEAR(second.delta_undamped, 0.05, 1e-15);
  EXPECT_NEAR(second.share, 210.0 / 310.0, 1e-15);
  EXPECT_EQ(second.reference, 200.0);
  EXPECT_EQ(second.verdict, Verdict::Keep);  // 1/30 < 0.04, undamped above it
}

TEST(TraceRule, AboveRefreshesBelowFreezesBetweenKeeps) {
  const auto verdict = [](double change) {
    TraceRule looks(rule(0.01, 0.001));  // THOR_stop
    looks.look(1000.0, 0.0, 1.0);
    return looks.look(1000.0 * (1.0 + change), 0.0, 1.0).verdict;
  };
  EXPECT_EQ(verdict(0.02), Verdict::Refresh);
  EXPECT_EQ(verdict(-0.02), Verdict::Refresh);
  EXPECT_EQ(verdict(0.005), Verdict::Keep);
  EXPECT_EQ(verdict(0.0005), Verdict::Freeze);
  EXPECT_EQ(verdict(0.0), Verdict::Freeze);
}

// Both bounds belong to Keep; binary fractions, so that Delta is exact.
TEST(TraceRule, TheBoundsThemselvesKeep) {
  for (const double change : {0.25, 0.125}) {
    TraceRule looks(rule(0.25, 0.125));
    looks.look(64.0, 0.0, 1.0);
    EXPECT_EQ(looks.look(64.0 * (1.0 + change), 0.0, 1.0).verdict,
              Verdict::Keep);
  }
}

TEST(TraceRule, ThorNeverFreezes) {
  TraceRule looks(rule(0.01, 0.0));
  looks.look(5.0, 0.03, 10.0);
  EXPECT_EQ(looks.look(5.0, 0.03, 10.0).verdict, Verdict::Keep);
}

TEST(TraceRule, WithoutAThresholdEveryLookRefreshes) {
  TraceRule looks(rule(0.0, 0.0));  // THOR_NT
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(looks.look(7.0, 0.1, 3.0).verdict, Verdict::Refresh);
  }
}

TEST(TraceRule, WhatIsFrozenStaysFrozen) {
  TraceRule looks(rule(0.01, 0.001));
  looks.look(100.0, 0.0, 1.0);
  EXPECT_EQ(looks.look(100.0, 0.0, 1.0).verdict, Verdict::Freeze);
  EXPECT_TRUE(looks.frozen());
  EXPECT_EQ(looks.look(900.0, 0.0, 1.0).verdict, Verdict::Freeze);
  EXPECT_EQ(looks.reference(), 100.0);
}

// 0.6 % a look: against the last look it never shows, against the last
// refresh it does at the second.
TEST(TraceRule, ASlowDriftShowsAgainstTheLastRefresh) {
  TraceRule by_look(rule(0.01, 0.0));
  TraceRule by_refresh(rule(0.01, 0.0, TraceReference::LastRefresh));
  double trace = 100.0;
  by_look.look(trace, 0.0, 1.0);
  by_refresh.look(trace, 0.0, 1.0);
  const Verdict expected[] = {Verdict::Keep, Verdict::Refresh, Verdict::Keep};
  for (const Verdict verdict : expected) {
    trace *= 1.006;
    EXPECT_EQ(by_look.look(trace, 0.0, 1.0).verdict, Verdict::Keep);
    EXPECT_EQ(by_refresh.look(trace, 0.0, 1.0).verdict, verdict);
  }
}

TEST(TraceRule, ADeadLayerRefreshes) {
  TraceRule looks(rule(0.01, 0.001));
  looks.look(0.0, 0.0, 4.0);
  const TraceDecision dead = looks.look(0.0, 0.0, 4.0);
  EXPECT_EQ(dead.verdict, Verdict::Refresh);
  EXPECT_EQ(dead.delta, 0.0);
  EXPECT_EQ(dead.share, 0.0);
}

TEST(TraceRule, ATraceThatIsNotFiniteRefreshesAndIsForgotten) {
  TraceRule looks(rule(0.01, 0.001));
  looks.look(10.0, 0.0, 4.0);
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(),
                           std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(looks.look(bad, 0.0, 4.0).verdict, Verdict::Refresh);
    EXPECT_EQ(looks.reference(), 10.0);
  }
}

TEST(TraceRule, RefusesWhatMakesNoSense) {
  EXPECT_THROW(TraceRule(rule(0.01, 0.02)), ValueError);
  EXPECT_THROW(TraceRule(rule(0.01, -0.001)), ValueError);
  EXPECT_THROW(TraceRule(rule(std::nan(""), 0.0)), ValueError);
  EXPECT_THROW(TraceRule(rule(HUGE_VAL, 0.0)), ValueError);
  TraceRule looks;
  EXPECT_THROW(looks.look(1.0, -0.1, 4.0), ValueError);
  EXPECT_THROW(looks.look(1.0, 0.1, 0.0), ValueError);
}

}  // namespace
}  // namespace mjolnir
