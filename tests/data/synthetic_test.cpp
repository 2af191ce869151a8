#include <mjolnir/data/synthetic.h>

#include <cmath>
#include <limits>

#include "tests/support/files.h"

namespace mjolnir::data {
namespace {

using mjolnir::testing::expect_error;

SyntheticOptions small() {
  SyntheticOptions o;
  o.samples = 300;
  o.channels = 2;
  o.height = 9;
  o.width = 12;
  o.classes = 7;
  o.shift = 1;
  return o;
}

bool same(const Dataset& a, const Dataset& b) {
  for (std::int64_t i = 0; i < a.size(); ++i) {
    if (!std::equal(a.pixels(i),
                    a.pixels(i) + a.channels() * a.height() * a.width(),
                    b.pixels(i))) {
      return false;
    }
  }
  return true;
}

TEST(Synthetic, HasTheSizesAskedFor) {
  const Dataset d = synthetic(small());
  EXPECT_EQ(d.size(), 300);
  EXPECT_EQ(d.channels(), 2);
  EXPECT_EQ(d.height(), 9);
  EXPECT_EQ(d.width(), 12);
  EXPECT_EQ(d.classes(), 7);
  EXPECT_EQ(d.label(0), 0);
  EXPECT_EQ(d.label(8), 1);
  SyntheticOptions none = small();
  none.samples = 0;
  EXPECT_EQ(synthetic(none).size(), 0);
}

TEST(Synthetic, SeedAndPartDecide) {
  SyntheticOptions o = small();
  const Dataset d = synthetic(o);
  EXPECT_TRUE(same(d, synthetic(o)));
  o.part = 1;
  EXPECT_FALSE(same(d, synthetic(o)));
  o.part = 0;
  o.seed = 1;
  EXPECT_FALSE(same(d, synthetic(o)));
}

// The nearest mean of the training part tells the classes of the other part.
TEST(Synthetic, CanBeLearnt) {
  SyntheticOptions o = small();
  const Dataset train = synthetic(o);
  o.part = 1;
  const Dataset test = synthetic(o);
  const std::size_t pixels = 2 * 9 * 12;
  std::vector<std::vector<double>> mean(7, std::vector<double>(pixels));
  std::vector<int> count(7);
  for (std::int64_t i = 0; i < train.size(); ++i) {
    const auto label = static_cast<std::size_t>(train.label(i));
    ++count[label];
    for (std::size_t p = 0; p < pixels; ++p) {
      mean[label][p] += train.pixels(i)[p];
    }
  }
  int right = 0;
  for (std::int64_t i = 0; i < test.size(); ++i) {
    std::size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < 7; ++k) {
      double distance = 0;
      for (std::size_t p = 0; p < pixels; ++p) {
        distance += std::pow(mean[k][p] / count[k] - test.pixels(i)[p], 2);
      }
      if (distance < least) {
        least = distance;
        best = k;
      }
    }
    right += static_cast<std::int64_t>(best) == test.label(i) ? 1 : 0;
  }
  EXPECT_GT(right, 270);  // 90 %; chance is 43
  EXPECT_FALSE(same(train, test));
}

TEST(Synthetic, WithoutNoiseAndShiftAClassIsOnePicture) {
  SyntheticOptions o = small();
  o.noise = 0;
  o.shift = 0;
  const Dataset d = synthetic(o);
  EXPECT_TRUE(same(d.subset({0, 1}), d.subset({7, 8})));
  EXPECT_FALSE(same(d.subset({0}), d.subset({1})));
}

TEST(Synthetic, RefusesOptionsOutOfRange) {
  const auto refused = [](const char* word,
                          const std::function<void(SyntheticOptions&)>& set) {
    SyntheticOptions o;
    set(o);
    expect_error<ValueError>([&] { synthetic(o); }, {"[synthetic]", word});
  };
  refused("samples", [](SyntheticOptions& o) { o.samples = -1; });
  refused("channels", [](SyntheticOptions& o) { o.channels = 0; });
  refused("height", [](SyntheticOptions& o) { o.height = 0; });
  refused("width", [](SyntheticOptions& o) { o.width = -3; });
  refused("classes", [](SyntheticOptions& o) { o.classes = 0; });
  refused("shift", [](SyntheticOptions& o) { o.shift = -1; });
  refused("noise", [](SyntheticOptions& o) { o.noise = -1; });
  refused("noise", [](SyntheticOptions& o) { o.noise = std::nan(""); });
  SyntheticOptions huge;
  huge.samples = std::int64_t{1} << 40;
  huge.height = std::int64_t{1} << 40;
  EXPECT_THROW(synthetic(huge), Error);
}

}  // namespace
}  // namespace mjolnir::data
