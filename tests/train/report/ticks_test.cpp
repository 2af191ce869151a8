#include "train/report/detail/ticks.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace mjolnir::train::detail {
namespace {

using ::testing::ElementsAre;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

AxisRange range(double low, double high, bool logarithmic = false) {
  AxisRange r;
  r.low = low;
  r.high = high;
  r.logarithmic = logarithmic;
  return r;
}

std::vector<std::string> labels(const AxisRange& r, int count, Unit unit) {
  std::vector<std::string> all;
  for (const Tick& tick : ticks(r, count, unit)) {
    all.push_back(tick.label);
  }
  return all;
}

TEST(Ticks, StandAtRoundValuesWithinTheRange) {
  EXPECT_THAT(labels(range(0, 3440), 6, Unit::Number),
              ElementsAre("0", "1000", "2000", "3000"));
  EXPECT_THAT(labels(range(0, 2.4), 5, Unit::Number),
              ElementsAre("0", "0.5", "1", "1.5", "2"));
  EXPECT_THAT(labels(range(-0.25, 0.25), 5, Unit::Number),
              ElementsAre("-0.2", "-0.1", "0", "0.1", "0.2"));
  EXPECT_THAT(
      labels(range(0, 120000), 6, Unit::Number),
      ElementsAre("0", "20000", "40000", "60000", "80000", "100000", "120000"));
  EXPECT_THAT(labels(range(0, 1), 5, Unit::Percent),
              ElementsAre("0 %", "20 %", "40 %", "60 %", "80 %", "100 %"));
}

TEST(Ticks, OfTimeAreThoseOfAClock) {
  EXPECT_THAT(labels(range(0, 171), 6, Unit::Seconds),
              ElementsAre("0 s", "30 s", "1:00", "1:30", "2:00", "2:30"));
  EXPECT_THAT(
      labels(range(0, 9000), 6, Unit::Seconds),
      ElementsAre("0 s", "30:00", "1:00:00", "1:30:00", "2:00:00", "2:30:00"));
}

TEST(Ticks, OfALogarithmicAxisArePowersOfTen) {
  EXPECT_THAT(labels(range(2e-3, 20, true), 5, Unit::Number),
              ElementsAre("0.01", "0.1", "1", "10"));
  EXPECT_THAT(labels(range(0.3, 4, true), 5, Unit::Number),
              ElementsAre("0.5", "1", "2"));
  // Never more than were asked for, about.
  EXPECT_LE(ticks(range(1e-12, 1e3, true), 6, Unit::Number).size(), 7u);
}

TEST(Ticks, PlacesGoFromEndToEnd) {
  EXPECT_DOUBLE_EQ(range(2, 6).place(3), 0.25);
  EXPECT_DOUBLE_EQ(range(2, 6).place(60), 1.0);
  EXPECT_DOUBLE_EQ(range(0.01, 100, true).place(1), 0.5);
  EXPECT_TRUE(std::isnan(range(0.01, 100, true).place(0)));
  EXPECT_TRUE(std::isnan(range(2, 6).place(nan)));
}

TEST(Ticks, ARangeHoldsWhatIsFinite) {
  const AxisRange r = range_of({1.0, nan, 3.0, infinity, -infinity}, false);
  EXPECT_LT(r.low, 1.0);
  EXPECT_GT(r.high, 3.0);
  EXPECT_LT(r.high, 4.0);
  // Near 0 it begins there.
  EXPECT_EQ(range_of({0.1, 2.3}, false).low, 0.0);
  EXPECT_EQ(range_of({-0.1, -2.3}, false).high, 0.0);
}

TEST(Ticks, ARangeIsNeverEmpty) {
  for (const std::vector<double>& values : {std::vector<double>{},
                                            {nan},
                                            {0.0},
                                            {0.5, 0.5},
                                            {-7.0},
                                            {1e30},
                                            {-1e308, 1e308},
                                            {1e-320},
                                            {1.0, 1.0 + 1e-15}}) {
    for (const bool logarithmic : {false, true}) {
      const AxisRange r = range_of(values, logarithmic);
      EXPECT_LT(r.low, r.high);
      EXPECT_TRUE(!logarithmic || r.low > 0.0);
      const auto all = ticks(r, 5, Unit::Number);
      EXPECT_GE(all.size(), 1u);
      EXPECT_LE(all.size(), 12u);
    }
  }
}

TEST(Ticks, ValuesAreWrittenShortly) {
  EXPECT_EQ(value_text(0.00001, Unit::Number), "1e-5");
  EXPECT_EQ(value_text(1e30, Unit::Number), "1e30");
  EXPECT_EQ(value_text(0.9274, Unit::Percent), "92.74 %");
  EXPECT_EQ(value_text(7.25, Unit::Seconds), "7.2 s");
  EXPECT_EQ(value_text(nan, Unit::Number), "–");
}

}  // namespace
}  // namespace mjolnir::train::detail
