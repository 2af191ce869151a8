#include <mjolnir/curvature/kronecker.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/linalg.h>
#include <mjolnir/core/random.h>
#include <mjolnir/curvature/order.h>

#include "tests/curvature/blocks.h"
#include "tests/curvature/listener.h"

namespace mjolnir {
namespace {

using Doubles = std::vector<double>;
using ::testing::HasSubstr;

const TensorOptions f64{DType::F64, Layout::RowMajor};

/** A dense 2x3 layer: G (2,2), A (3,3). */
class KroneckerLadder : public ::testing::Test {
 protected:
  Doubles step(double scale = 1.0) const {
    return doubles(block_.precondition({gradient_}, scale).weight);
  }

  Weight layer_{Tensor::zeros({2, 3}, f64)};
  Tensor gradient_ = Tensor::from<double>({1, -2, 3, 0.5, 4, -1}, {2, 3});
  Tensor good_a_ = diagonal({1, 2, 3});
  Tensor good_g_ = diagonal({0.5, 4});
  KroneckerBlock block_{"fc", layer_, {}};
};

// Fault 45: F = T (Ghat kron Ahat), solved densely.
TEST(KroneckerBlock, DividesByTheDenseFisherBlock) {
  Generator rng(11);
  const std::int64_t o = 3, c = 2, kh = 3, kw = 2, d = c * kh * kw;
  const Weight layer(
      Tensor::zeros({o, c, kh, kw}, {DType::F64, Layout::ChannelsLast}));
  const Tensor a = linalg::syrk(normal({d, d + 2}, 0, 1, rng, f64));
  const Tensor g = linalg::syrk(normal({o, o + 2}, 0, 0.3, rng, f64));
  const Tensor gradient =
      normal({o, c, kh, kw}, 0, 1, rng, {DType::F64, Layout::ChannelsLast});
  const double damping = 0.2, scale = 0.5, gradient_scale = 9.0;
  const std::int64_t samples = 4, positions = 12;
  const double t = 3.0, s = std::sqrt(damping / t);

  // The layer keeps A in storage order.
  const auto order = weight_order(c, kh, kw);
  const Doubles a_weight = doubles(a);
  Doubles a_storage(a_weight.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (std::size_t j = 0; j < order.size(); ++j) {
      a_storage[static_cast<std::size_t>(order[i] * d + order[j])] =
          a_weight[i * order.size() + j];
    }
  }
  const Tensor stored = Tensor::from<double>(a_storage, {d, d});

  for (const DampingSplit split : {DampingSplit::Even, DampingSplit::Trace}) {
    for (const std::int64_t block : {0, 5, 2}) {
      KroneckerOptions options;
      options.damping_split = split;
      options.split_dim = block;
      KroneckerBlock kronecker("conv", layer, options);
      refresh_one(kronecker, sums_of(stored, g, samples, positions), damping, 0,
                  gradient_scale);
      ASSERT_EQ(kronecker.preconditioner(), Preconditioner::Inverse);

      double trace_a = 0.0, trace_g = 0.0;
      for (std::int64_t i = 0; i < d; ++i) {
        trace_a += a_weight[static_cast<std::size_t>(i * d + i)];
      }
      const Doubles g_now = doubles(g);
      for (std::int64_t i = 0; i < o; ++i) {
        trace_g += gradient_scale * g_now[static_cast<std::size_t>(i * o + i)];
      }
      const double pi = split == DampingSplit::Even
                            ? 1.0
                            : std::sqrt(trace_a / static_cast<double>(d) /
                                        (trace_g / static_cast<double>(o)));
      const auto kept = [block](std::int64_t i, std::int64_t j) {
        return block == 0 || i / block == j / block;
      };
      // F[(i,j),(k,l)] = T Ghat[i,k] Ahat[j,l]
      Doubles fisher(static_cast<std::size_t>(o * d * o * d), 0.0);
      for (std::int64_t i = 0; i < o; ++i) {
        for (std::int64_t k = 0; k < o; ++k) {
          double g_hat =
              gradient_scale * g_now[static_cast<std::size_t>(i * o + k)];
          if (i == k) g_hat += s / pi;
          if (!kept(i, k)) continue;
          for (std::int64_t j = 0; j < d; ++j) {
            for (std::int64_t l = 0; l < d; ++l) {
              if (!kept(j, l)) continue;
              double a_hat = a_weight[static_cast<std::size_t>(j * d + l)];
              if (j == l) a_hat += pi * s;
              fisher[static_cast<std::size_t>((i * d + j) * o * d + k * d +
                                              l)] = t * g_hat * a_hat;
            }
          }
        }
      }
      Doubles right = doubles(gradient);
      for (double& v : right) v *= scale;
      const auto solved =
          linalg::solve(Tensor::from<double>(fisher, {o * d, o * d}),
                        Tensor::from<double>(right, {o * d}));
      ASSERT_TRUE(solved);
      const Doubles want = doubles(*solved);
      const Doubles got =
          doubles(kronecker.precondition({gradient}, scale).weight);
      double norm = 0.0;
      for (const double v : want) norm = std::max(norm, std::abs(v));
      for (std::size_t i = 0; i < want.size(); ++i) {
        ASSERT_NEAR(got[i], want[i], 1e-10 * norm) << "split " << block;
      }
    }
  }
}

TEST(KroneckerBlock, ReportsInversesInWeightOrder) {
  Generator rng(12);
  const std::int64_t c = 3, d = 6;
  const Weight layer(
      Tensor::zeros({2, c, 1, 2}, {DType::F64, Layout::ChannelsLast}));
  const Tensor a = linalg::syrk(normal({d, d}, 0, 1, rng, f64));
  const Tensor g = linalg::syrk(normal({2, 2}, 0, 1, rng, f64));
  for (const std::int64_t split : {0, 4}) {
    KroneckerOptions options;
    options.split_dim = split;
    KroneckerBlock block("conv", layer, options);
    EXPECT_FALSE(block.inverse_a().defined());
    block.set_inverses(a, g, 2.0, 0);
    Doubles want = doubles(a);
    for (std::int64_t i = 0; i < d; ++i) {
      for (std::int64_t j = 0; j < d; ++j) {
        if (split != 0 && i / split != j / split) {
          want[static_cast<std::size_t>(i * d + j)] = 0.0;
        }
      }
    }
    EXPECT_EQ(doubles(block.inverse_a()), want);
    EXPECT_EQ(doubles(block.inverse_g()), doubles(g));
    // 1/T G^-1 g A^-1, by the definition, in weight order
    const Tensor gradient =
        normal({2, c, 1, 2}, 0, 1, rng, {DType::F64, Layout::ChannelsLast});
    const Tensor flat = Tensor::from<double>(doubles(gradient), {2, d});
    const Doubles product = doubles(linalg::matmul(
        linalg::matmul(g, flat), Tensor::from<double>(want, {d, d})));
    const Doubles got = doubles(block.precondition({gradient}, 1.0).weight);
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_NEAR(got[i], product[i] / 2.0, 1e-13);
    }
  }
  KroneckerBlock block("conv", layer, {});
  EXPECT_THROW(block.set_inverses(g, a, 1.0, 0), ShapeError);
}

TEST(KroneckerBlock, RunningAverageFollowsItsDefinition) {
  const Weight layer(Tensor::zeros({1, 2}, f64));
  KroneckerOptions options;
  options.running_average = 0.75;
  KroneckerBlock block("fc", layer, options);
  refresh_one(block, sums_of(diagonal({4, 8}), diagonal({2}), 1, 5), 0.0, 0);
  EXPECT_DOUBLE_EQ(block.state().mean_a, 6.0);  // the first M is M_now
  refresh_one(block, sums_of(diagonal({12, 0}), diagonal({6}), 1, 7), 0.0, 1);
  // 0.75 diag(4,8) + 0.25 diag(12,0) = diag(6,6); 0.75 2 + 0.25 6 = 3
  const Tensor gradient = Tensor::from<double>({36, 18}, {1, 2});
  const Doubles step = doubles(block.precondition({gradient}, 1.0).weight);
  const double t = 7.0;
  EXPECT_NEAR(step[0], 36.0 / (6 * 3 * t), 1e-12);
  EXPECT_NEAR(step[1], 18.0 / (6 * 3 * t), 1e-12);
}

// Fault 41: damping goes in once per refresh, however often that happens.
TEST_F(KroneckerLadder, RefreshingTwiceGivesTheSameBits) {
  refresh_one(block_, sums_of(good_a_, good_g_, 2, 6), 0.3, 0);
  const Doubles first = step();
  refresh_one(block_, sums_of(good_a_, good_g_, 2, 6), 0.3, 1);
  EXPECT_EQ(step(), first);
  EXPECT_EQ(block_.state().refreshes, 2);
}

// Fault 39.
TEST_F(KroneckerLadder, ANonFiniteFactorKeepsTheLastGoodInverse) {
  refresh_one(block_, sums_of(good_a_, good_g_, 2, 6), 0.3, 0);
  const Doubles before = step();
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  long now = 1;
  for (const double bad : {nan, infinity, -infinity}) {
    Listener listener;
    refresh_one(block_, sums_of(diagonal({1, bad, 1}), good_g_, 2, 6), 0.3,
                now++);
    refresh_one(block_, sums_of(good_a_, diagonal({bad, 1}), 2, 6), 0.3, now++);
    EXPECT_EQ(step(), before);
    ASSERT_EQ(listener.events.size(), 4U);
    EXPECT_THAT(listener.events[0].message,
                HasSubstr("factor A is not finite"));
    EXPECT_THAT(listener.events[1].message, HasSubstr("last good inverse"));
    EXPECT_THAT(listener.events[2].message,
                HasSubstr("factor G is not finite"));
  }
  EXPECT_EQ(block_.state().ladder.not_finite, 6);
  EXPECT_EQ(block_.state().ladder.kept, 6);
  EXPECT_EQ(block_.state().last_refresh, 0);
}

TEST_F(KroneckerLadder, ANonFiniteFirstFactorLeavesNothingToDivideBy) {
  refresh_one(block_, sums_of(diagonal({1, std::nan(""), 1}), good_g_, 2, 6),
              0.3, 0);
  EXPECT_EQ(block_.preconditioner(), Preconditioner::None);
  refresh_one(block_, sums_of(good_a_, good_g_, 2, 6), 0.3, 1);
  EXPECT_EQ(block_.preconditioner(), Preconditioner::Inverse);
}

TEST_F(KroneckerLadder, ANonFiniteSumNeverEntersTheRunningAverage) {
  KroneckerOptions options;
  options.running_average = 0.5;
  KroneckerBlock poisoned("fc", layer_, options);
  KroneckerBlock clean("fc", layer_, options);
  const FactorSums good = sums_of(good_a_, good_g_, 2, 6);
  for (KroneckerBlock* b : {&poisoned, &clean}) refresh_one(*b, good, 0.3, 0);
  refresh_one(poisoned, sums_of(good_a_, diagonal({1, std::nan("")}), 2, 6),
              0.3, 1);
  for (KroneckerBlock* b : {&poisoned, &clean}) refresh_one(*b, good, 0.3, 2);
  EXPECT_EQ(doubles(poisoned.precondition({gradient_}, 1.0).weight),
            doubles(clean.precondition({gradient_}, 1.0).weight));
}

// An A that is not positive definite until its damping is ten times larger.
TEST_F(KroneckerLadder, DampingIsRaisedOnTheSideThatFailsAndRelaxesLater) {
  const Tensor bent = diagonal({1, -0.05, 1});
  const double damping = 0.0004;  // T = 1: s = 0.02 < 0.05 < 0.2
  const FactorSums sums = sums_of(bent, good_g_, 3, 3);
  Listener listener;
  refresh_one(block_, sums, damping, 0);
  ASSERT_EQ(block_.preconditioner(), Preconditioner::Inverse);
  EXPECT_EQ(block_.state().ladder.raised, 1);
  ASSERT_EQ(listener.events.size(), 1U);
  EXPECT_THAT(listener.events[0].message,
              HasSubstr("damped factor A is not positive definite"));
  EXPECT_NEAR(block_.state().damping.a, 0.2, 1e-15);
  EXPECT_NEAR(block_.state().damping.g, 0.02, 1e-15);
  // g[0][1] / ((-0.05 + 0.2) (0.5 + 0.02))
  EXPECT_NEAR(step()[1], -2.0 / (0.15 * 0.52), 1e-12);
  refresh_one(block_, sums, damping, 1);  // succeeds at 10: relaxes to 1
  EXPECT_EQ(block_.state().ladder.raised, 1);
  refresh_one(block_, sums, damping, 2);  // fails at 1 again
  EXPECT_EQ(block_.state().ladder.raised, 2);
}

TEST_F(KroneckerLadder, WithoutAnInverseTheStepIsThatOfMultiplesOfI) {
  const double damping = 0.09;  // T = 4: s = 0.15
  refresh_one(block_, sums_of(diagonal({1000, -500, 1}), good_g_, 2, 8),
              damping, 0);
  ASSERT_EQ(block_.preconditioner(), Preconditioner::Scalar);
  EXPECT_EQ(block_.state().ladder.raised, 3);
  EXPECT_EQ(block_.state().ladder.scalar, 1);
  const double a = 501.0 / 3.0, b = 4.5 / 2.0;
  const double divisor = 4.0 * (a + 0.15) * (b + 0.15);
  EXPECT_NEAR(step(0.5)[2], 0.5 * 3.0 / divisor, 1e-15);
  EXPECT_NEAR(step(0.5)[3], 0.5 * 0.5 / divisor, 1e-15);
}

TEST_F(KroneckerLadder, AUselessScalarLeavesTheTensorAlone) {
  // zeros without damping: 0 / 0
  const Tensor no_a = Tensor::zeros({3, 3}, f64);
  const Tensor no_g = Tensor::zeros({2, 2}, f64);
  refresh_one(block_, sums_of(no_a, no_g, 2, 8), 0.0, 0);
  EXPECT_EQ(block_.preconditioner(), Preconditioner::None);
  // a negative mean
  refresh_one(block_, sums_of(diagonal({-9, 1, 1}), good_g_, 2, 8), 1e-6, 1);
  EXPECT_EQ(block_.preconditioner(), Preconditioner::None);
}

TEST(KroneckerBlock, RefusesWhatItCannotDivideBy) {
  const Weight rows(Tensor::zeros({2, 3, 2, 2}, f64));
  EXPECT_THROW(KroneckerBlock("conv", rows, {}), ValueError);
  const Weight layer(Tensor::zeros({2, 3}, f64));
  KroneckerBlock block("fc", layer, {});
  FactorSums sums = sums_of(diagonal({1, 1, 1}), diagonal({1, 1}), 1, 1);
  sums.positions_g = 2;
  EXPECT_THROW(block.take(sums, 1.0, 0.1, 0), ValueError);
  sums.positions_a = sums.positions_g = 0;
  EXPECT_THROW(block.take(sums, 1.0, 0.1, 0), ValueError);
  const FactorSums wrong = sums_of(diagonal({1, 1}), diagonal({1, 1}), 1, 1);
  EXPECT_THROW(block.take(wrong, 1.0, 0.1, 0), ShapeError);
  FactorSums traces = sums_of(diagonal({1, 1, 1}), diagonal({1, 1}), 1, 1);
  traces.a = Tensor();
  EXPECT_THROW(block.check(traces), ShapeError);
}

TEST_F(KroneckerLadder, TellsWhenPiMeetsItsBound) {
  KroneckerOptions options;
  options.damping_split = DampingSplit::Trace;
  KroneckerBlock block("fc", layer_, options);
  Listener listener;
  refresh_one(block,
              sums_of(diagonal({1e9, 1e9, 1e9}), diagonal({1e-9, 1e-9}), 1, 1),
              0.1, 4);
  ASSERT_EQ(listener.events.size(), 1U);
  EXPECT_EQ(listener.events[0].topic, "damping");
  EXPECT_THAT(listener.events[0].message, HasSubstr("layer fc, step 4"));
}

}  // namespace
}  // namespace mjolnir
