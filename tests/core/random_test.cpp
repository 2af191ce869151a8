#include <mjolnir/core/random.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

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

// The first values of seed 42: a change here changes every saved experiment.
TEST(Generator, GoldenStream) {
  Generator rng(42);
  const std::uint64_t first = rng.next();
  EXPECT_EQ(first, kernels::philox(42, 0, 0)[0]);
  EXPECT_EQ(rng.next(), kernels::philox(42, 0, 0)[1]);
  EXPECT_EQ(rng.next(), kernels::philox(42, 0, 1)[0]);
}

}  // namespace
}  // namespace mjolnir
