#include <mjolnir/curvature/levenberg_marquardt.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include <mjolnir/core/error.h>

namespace mjolnir {
namespace {

TEST(LevenbergMarquardt, FollowsTheRatio) {
  LevenbergMarquardtOptions options;
  options.period = 2;
  options.omega = 0.5;
  LevenbergMarquardt rule(1.0, options);
  EXPECT_TRUE(std::isnan(rule.ratio()));
  rule.adapt(-0.8, -1.0);  // nearly what the model said: less damping
  EXPECT_EQ(rule.ratio(), 0.8);
  EXPECT_EQ(rule.damping(), 0.25);
  rule.adapt(-0.5, -1.0);  // in between
  EXPECT_EQ(rule.damping(), 0.25);
  rule.adapt(-0.1, -1.0);
  EXPECT_EQ(rule.damping(), 1.0);
  rule.adapt(0.5, -1.0);  // the loss rose
  EXPECT_EQ(rule.damping(), 4.0);
  rule.adapt(std::numeric_limits<double>::quiet_NaN(), -1.0);
  EXPECT_EQ(rule.damping(), 16.0);
}

TEST(LevenbergMarquardt, StaysWithinItsBounds) {
  LevenbergMarquardtOptions options;
  options.omega = 0.1;
  options.least = 0.5;
  options.most = 2.0;
  LevenbergMarquardt rule(1.0, options);
  for (int i = 0; i < 3; ++i) rule.adapt(-1.0, -1.0);
  EXPECT_EQ(rule.damping(), 0.5);
  for (int i = 0; i < 3; ++i) rule.adapt(1.0, -1.0);
  EXPECT_EQ(rule.damping(), 2.0);
}

TEST(LevenbergMarquardt, MeasuresOncePerPeriod) {
  LevenbergMarquardtOptions options;
  options.period = 3;
  const LevenbergMarquardt rule(1.0, options);
  for (long step = 0; step < 9; ++step) {
    EXPECT_EQ(rule.measures(step), step % 3 == 2) << step;
  }
}

TEST(LevenbergMarquardt, RefusesWhatCannotBe) {
  using Options = LevenbergMarquardtOptions;
  const auto refused = [](double initial, auto change) {
    Options options;
    change(options);
    EXPECT_THROW(LevenbergMarquardt(initial, options), ValueError);
  };
  refused(0.0, [](Options&) {});
  refused(-1.0, [](Options&) {});
  refused(std::numeric_limits<double>::infinity(), [](Options&) {});
  refused(1.0, [](Options& o) { o.period = 0; });
  refused(1.0, [](Options& o) { o.omega = 1.0; });
  refused(1.0, [](Options& o) { o.omega = 0.0; });
  refused(1.0, [](Options& o) { o.least = 0.0; });
  refused(1.0, [](Options& o) { o.most = 0.0; });
}

}  // namespace
}  // namespace mjolnir
