#include <mjolnir/io/histogram.h>

#include <cmath>
#include <limits>

#include "tests/support/files.h"

namespace mjolnir::io {
namespace {

using mjolnir::testing::expect_error;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

TEST(Histogram, CountsInBucketsOfOneWidth) {
  const Tensor x = Tensor::from<float>({2, -2, 1, 2, 0}, {5});
  const Histogram h = histogram_of(x, 4);
  EXPECT_EQ(h.least, -2);
  EXPECT_EQ(h.most, 2);
  EXPECT_EQ(h.count, 5);
  EXPECT_EQ(h.sum, 3);
  EXPECT_EQ(h.sum_squares, 13);
  EXPECT_THAT(h.limits, ElementsAre(-1, 0, 1, 2));
  EXPECT_THAT(h.counts, ElementsAre(1, 1, 1, 2));  // an upper end is inside
  EXPECT_EQ(h.not_finite, 0);
}

TEST(Histogram, OfIntegersInAnyLayout) {
  const Tensor bytes = Tensor::from<std::uint8_t>({0, 255, 128, 127}, {4});
  EXPECT_THAT(histogram_of(bytes, 2).limits, ElementsAre(127.5, 255));
  EXPECT_THAT(histogram_of(bytes, 2).counts, ElementsAre(2, 2));
  const Tensor x = Tensor::from<double>({1, 2, 3, 4, 5, 6}, {1, 3, 2, 1},
                                        Layout::ChannelsLast);
  EXPECT_THAT(histogram_of(x, 3).counts, ElementsAre(2, 2, 2));
}

TEST(Histogram, OfAConstantHasOneBucket) {
  const Histogram h = histogram_of(Tensor::full({2, 3}, -0.5));
  EXPECT_THAT(h.limits, ElementsAre(-0.5));
  EXPECT_THAT(h.counts, ElementsAre(6));
  EXPECT_EQ(h.least, -0.5);
  EXPECT_EQ(h.most, -0.5);
  EXPECT_EQ(h.sum, -3);
  EXPECT_EQ(h.sum_squares, 1.5);
}

TEST(Histogram, OfNothingIsZero) {
  for (const Tensor& x :
       {Tensor::zeros({0}), Tensor::from<float>({nan, inf, -inf}, {3})}) {
    const Histogram h = histogram_of(x);
    EXPECT_EQ(h.count, 0);
    EXPECT_EQ(h.least, 0);
    EXPECT_EQ(h.most, 0);
    EXPECT_EQ(h.sum, 0);
    EXPECT_EQ(h.sum_squares, 0);
    EXPECT_THAT(h.limits, IsEmpty());
    EXPECT_THAT(h.counts, IsEmpty());
    EXPECT_EQ(h.not_finite, x.numel());
  }
}

TEST(Histogram, LeavesOutWhatIsNotFinite) {
  const Tensor x = Tensor::from<float>({nan, 1, inf, 3, -inf, nan}, {6});
  const Histogram h = histogram_of(x, 2);
  EXPECT_EQ(h.not_finite, 4);
  EXPECT_EQ(h.count, 2);
  EXPECT_EQ(h.sum, 4);
  EXPECT_THAT(h.limits, ElementsAre(2, 3));
  EXPECT_THAT(h.counts, ElementsAre(1, 1));
}

TEST(Histogram, OfTheWholeRangeOfDoubles) {
  constexpr double most = std::numeric_limits<double>::max();
  const Tensor x = Tensor::from<double>({-most, 0, most}, {3});
  const Histogram h = histogram_of(x, 2);
  EXPECT_THAT(h.limits, ElementsAre(0, most));
  EXPECT_THAT(h.counts, ElementsAre(2, 1));
}

// Of two neighbours among the doubles there is nothing between.
TEST(Histogram, OfNeighboursLosesNone) {
  const double next = std::nextafter(1.0, 2.0);
  const Histogram h =
      histogram_of(Tensor::from<double>({1, next, next}, {3}), 7);
  double counted = 0;
  for (std::size_t i = 0; i < h.counts.size(); ++i) {
    counted += h.counts[i];
    EXPECT_GE(h.limits[i], 1.0);
    EXPECT_LE(h.limits[i], next);
  }
  EXPECT_EQ(counted, 3);
}

TEST(Histogram, RefusesNoTensorAndNoBuckets) {
  expect_error<ValueError>([] { histogram_of(Tensor()); },
                           {"[histogram]", "undefined"});
  expect_error<ValueError>([] { histogram_of(Tensor::zeros({2}), 0); },
                           {"at least 1 bucket, got 0"});
}

}  // namespace
}  // namespace mjolnir::io
