#include <mjolnir/core/random.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/kernels/philox.h"

namespace mjolnir {
namespace {

// Known answers of Random123 (kat_vectors, philox4x32 10 rounds).
TEST(Philox, KnownAnswers) {
  const auto zero = kernels::philox(0, 0, 0);
  EXPECT_EQ(zero[0], 0xe169c58d6627e8d5u);
  EXPECT_EQ(zero[1], 0x9b00dbd8bc57ac4cu);
  const std::uint64_t ones = ~std::uint64_t{0};
  const auto all = kernels::philox(ones, ones, ones);
  EXPECT_EQ(all[0], 0x41c83b0e408f276du);
  EXPECT_EQ(all[1], 0x6d5451fda20bc7c6u);
  const auto pi = kernels::philox(0x299f31d0a4093822u, 0x0370734413198a2eu,
                                  0x85a308d3243f6a88u);
  EXPECT_EQ(pi[0], 0x94fdccebd16cfe09u);
  EXPECT_EQ(pi[1], 0x24126ea15001e420u);
}

TEST(Generator, SameSeedSameNumbers) {
  Generator a(7), b(7), c(8), d(7, 1);
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t x = a.next();
    EXPECT_EQ(x, b.next());
    EXPECT_NE(x, c.next());
    EXPECT_NE(x, d.next());
  }
}

TEST(Generator, StateContinuesMidStream) {
  Generator a(11);
  for (int i = 0; i < 7; ++i) a.normal();
  Generator b(99);
  b.set_state(a.state());
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(a.normal(), b.normal());
    EXPECT_EQ(a.next(), b.next());
  }
}

TEST(Generator, SplitIsIndependentOfItsParent) {
  Generator a(3);
  Generator child = a.split();
  Generator again(3);
  Generator same = again.split();
  const std::uint64_t first = child.next();
  EXPECT_EQ(first, same.next());
  EXPECT_NE(first, a.next());
}

TEST(Generator, BelowIsUniform) {
  Generator rng(5);
  std::vector<int> counts(6);
  for (int i = 0; i < 60000; ++i) ++counts[rng.below(6)];
  // Standard deviation 91: five of them.
  for (const int c : counts) EXPECT_NEAR(c, 10000, 460);
}

TEST(Generator, PermutationHoldsEachOnce) {
  Generator rng(5);
  std::vector<std::int64_t> p = rng.permutation(101);
  EXPECT_FALSE(std::is_sorted(p.begin(), p.end()));
  std::sort(p.begin(), p.end());
  for (std::int64_t i = 0; i < 101; ++i) {
    EXPECT_EQ(p[static_cast<std::size_t>(i)], i);
  }
}

TEST(Random, MomentsAndLayoutIndependence) {
  Generator a(1), b(1);
  TensorOptions last;
  last.layout = Layout::ChannelsLast;
  const Tensor x = normal({10, 10, 20, 50}, 2, 3, a);
  const Tensor y = normal({10, 10, 20, 50}, 2, 3, b, last);
  EXPECT_EQ(x.to_vector<float>(), y.to_vector<float>());
  double mean = 0, square = 0;
  for (const float v : x.to_vector<float>()) {
    mean += v;
    square += double{v} * v;
  }
  mean /= 1e5;
  // Standard errors 0.0095 and 0.02: five of each.
  EXPECT_NEAR(mean, 2, 0.048);
  EXPECT_NEAR(std::sqrt(square / 1e5 - mean * mean), 3, 0.034);
  const Tensor u = uniform({100000}, -1, 3, a);
  for (const float v : u.to_vector<float>()) {
    ASSERT_GE(v, -1);
    ASSERT_LE(v, 3);
  }
}

TEST(Generator, Refusals) {
  Generator rng(1);
  EXPECT_THROW(rng.permutation(-1), ValueError);
  EXPECT_TRUE(rng.permutation(0).empty());
  Generator::State state = rng.state();
  state.lane = 2;
  rng.set_state(state);
  EXPECT_EQ(rng.next(), kernels::philox(1, 0, 1)[0]);
  state.lane = 3;
  const std::uint64_t next = Generator(rng).next();
  EXPECT_THROW(rng.set_state(state), ValueError);
  EXPECT_EQ(rng.next(), next);
}

// tests/golden/philox.py wrote these from the paper: a change here changes
// every saved experiment.
class GoldenRandom : public ::testing::Test {
 protected:
  template <class T>
  std::vector<T> expected(const char* name, std::size_t count = 1000) const {
    const auto values = golden_.at(name).get<std::vector<T>>();
    EXPECT_EQ(values.size(), count) << name;
    return values;
  }

 private:
  nlohmann::json golden_ = nlohmann::json::parse(
      std::ifstream(MJOLNIR_SOURCE_DIR "/tests/golden/philox.json"));
};

TEST_F(GoldenRandom, Bits) {
  Generator rng(42);
  for (const auto x : expected<std::uint64_t>("raw")) EXPECT_EQ(rng.next(), x);
}

TEST_F(GoldenRandom, BitsWhereTheCounterCarries) {
  Generator rng;
  Generator::State state;
  state.seed = ~std::uint64_t{0} - 2;
  state.stream = (std::uint64_t{1} << 63) + 7;
  state.counter = (std::uint64_t{1} << 32) - 4;
  rng.set_state(state);
  for (const auto x : expected<std::uint64_t>("carry", 16)) {
    EXPECT_EQ(rng.next(), x);
  }
}

TEST_F(GoldenRandom, Uniform) {
  Generator rng(7, 3);
  for (const double x : expected<double>("uniform")) {
    EXPECT_EQ(rng.uniform(), x);
  }
}

TEST_F(GoldenRandom, Below) {
  Generator rng(5, 9);
  const auto bounds = expected<std::uint64_t>("bounds", 7);
  std::size_t i = 0;
  for (const auto x : expected<std::uint64_t>("below")) {
    EXPECT_EQ(rng.below(bounds[i++ % bounds.size()]), x);
  }
}

TEST_F(GoldenRandom, Permutation) {
  EXPECT_EQ(Generator(11).permutation(1000),
            expected<std::int64_t>("permutation"));
}

// Both sides round log, sqrt, sin and cos, whose results here are below 9: a
// few units in the last place of that.
TEST_F(GoldenRandom, Normal) {
  Generator rng(13, 1);
  for (const double x : expected<double>("normal")) {
    EXPECT_NEAR(rng.normal(), x, 4e-15);
  }
}

}  // namespace
}  // namespace mjolnir
