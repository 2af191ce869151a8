#include <mjolnir/curvature/damping.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace mjolnir {
namespace {

TEST(Damping, EvenSplitGivesBothSidesTheSquareRoot) {
  // sqrt(0.04 / 4) = 0.1
  const FactorDamping d = split_damping(DampingSplit::Even, 0.04, 4, 100, 1e-6);
  EXPECT_DOUBLE_EQ(d.a, 0.1);
  EXPECT_DOUBLE_EQ(d.g, 0.1);
  EXPECT_EQ(d.pi, 1.0);
  EXPECT_FALSE(d.clamped);
}

TEST(Damping, TraceSplitDampsBothSidesAlike) {
  // pi = sqrt(9 / 0.25) = 6, s = sqrt(0.16 / 1) = 0.4
  const FactorDamping d = split_damping(DampingSplit::Trace, 0.16, 1, 9, 0.25);
  EXPECT_DOUBLE_EQ(d.pi, 6.0);
  EXPECT_DOUBLE_EQ(d.a, 2.4);
  EXPECT_DOUBLE_EQ(d.g, 0.4 / 6.0);
  EXPECT_DOUBLE_EQ(d.a / 9.0, d.g / 0.25);
}

TEST(Damping, PiIsBounded) {
  const FactorDamping high =
      split_damping(DampingSplit::Trace, 1, 1, 1e10, 1e-10);
  EXPECT_EQ(high.pi, 1e6);
  EXPECT_TRUE(high.clamped);
  const FactorDamping low =
      split_damping(DampingSplit::Trace, 1, 1, 1e-10, 1e10);
  EXPECT_EQ(low.pi, 1e-6);
  EXPECT_TRUE(low.clamped);
}

TEST(Damping, PiIsOneWithoutUsableTraces) {
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {0.0, nan, infinity}) {
    EXPECT_EQ(split_damping(DampingSplit::Trace, 1, 1, bad, 2).pi, 1.0);
    EXPECT_EQ(split_damping(DampingSplit::Trace, 1, 1, 2, bad).pi, 1.0);
    EXPECT_FALSE(split_damping(DampingSplit::Trace, 1, 1, bad, 2).clamped);
  }
}

TEST(Damping, FloorFollowsThePrecision) {
  EXPECT_DOUBLE_EQ(damping_floor(DType::F32, 2.0), std::ldexp(1.0, -17));
  EXPECT_DOUBLE_EQ(damping_floor(DType::F64, 2.0), std::ldexp(1.0, -46));
  EXPECT_EQ(damping_floor(DType::F32, 0.0), 0.0);
}

}  // namespace
}  // namespace mjolnir
