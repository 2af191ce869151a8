// What a Fisher block does with sums it cannot use.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>

#include "tests/curvature/blocks.h"
#include "tests/curvature/listener.h"

namespace mjolnir {
namespace {

using Doubles = std::vector<double>;
using ::testing::HasSubstr;

const TensorOptions f64{DType::F64, Layout::RowMajor};
const double infinity = std::numeric_limits<double>::infinity();

/** Two blocks of one layer: one will meet trouble, one will not. */
struct Twins {
  explicit Twins(DType dtype, double running_average)
      : layer(Tensor::zeros({2, 3}, {dtype, Layout::RowMajor})),
        options(average_of(running_average)),
        troubled("fc", layer, options),
        clean("fc", layer, options) {}
  static KroneckerOptions average_of(double rho) {
    KroneckerOptions options;
    options.running_average = rho;
    return options;
  }
  void both(const FactorSums& sums, long step) {
    refresh_one(troubled, sums, 0.3, step);
    refresh_one(clean, sums, 0.3, step);
  }
  void expect_equal() const {
    const Tensor gradient = Tensor::from<double>({1, -2, 3, 0.5, 4, -1}, {2, 3})
                                .to(layer.weight.dtype());
    EXPECT_EQ(doubles(troubled.precondition({gradient}, 1.0).weight),
              doubles(clean.precondition({gradient}, 1.0).weight));
    EXPECT_EQ(troubled.state().mean_a, clean.state().mean_a);
    EXPECT_EQ(troubled.state().mean_g, clean.state().mean_g);
  }

  Weight layer;
  KroneckerOptions options;
  KroneckerBlock troubled;
  KroneckerBlock clean;
};

// A sum that f32 holds, but not (N / loss_scale)^2 / P times it.
TEST(KroneckerGuard, AnOverflowingRefreshLeavesTheRunningAverageAlone) {
  Twins twins(DType::F32, 0.5);
  const auto sums = [](double a, double g) {
    return sums_of(diagonal({a, 2, 3}, DType::F32),
                   diagonal({g, 4}, DType::F32), 1, 1);
  };
  twins.both(sums(1, 1), 0);
  Listener listener;
  refresh_one(twins.troubled, sums(7, 1e30), 0.3, 1, 1e12);
  EXPECT_EQ(twins.troubled.state().ladder.not_finite, 1);
  EXPECT_EQ(twins.troubled.state().ladder.kept, 1);
  EXPECT_EQ(twins.troubled.state().last_refresh, 0);
  ASSERT_FALSE(listener.events.empty());
  EXPECT_THAT(listener.events[0].message, HasSubstr("factor G is not finite"));
  twins.expect_equal();
  for (long step = 2; step < 5; ++step) {
    twins.both(sums(2, 3), step);
    EXPECT_EQ(twins.troubled.state().last_refresh, step);
    twins.expect_equal();
  }
}

TEST(KroneckerGuard, WhatIsRefusedChangesNothing) {
  Twins twins(DType::F64, 0.5);
  const FactorSums good =
      sums_of(diagonal({1, 2, 3}), diagonal({0.5, 4}), 2, 6);
  twins.both(good, 0);
  FactorSums other = sums_of(diagonal({9, 9, 9}), diagonal({9, 9}), 2, 6);
  other.positions_g = 7;
  EXPECT_THROW(twins.troubled.take(other, 1.0, 0.3, 1), ValueError);
  other = sums_of(diagonal({9, 9, 9}), diagonal({9, 9, 9}), 2, 6);
  EXPECT_THROW(twins.troubled.take(other, 1.0, 0.3, 1), ShapeError);
  twins.both(good, 1);
  twins.expect_equal();
}

TEST(KroneckerGuard, AFailedRefreshStillReportsTheLastGoodOne) {
  const Weight layer(Tensor::zeros({2, 3}, f64));
  KroneckerBlock block("fc", layer, {});
  refresh_one(block, sums_of(diagonal({1, 2, 3}), diagonal({1, 4}), 2, 6), 0.3,
              0);
  const LayerCurvature before = block.state();
  EXPECT_NEAR(before.mean_a, 2.0, 1e-15);
  EXPECT_NEAR(before.mean_g, 2.5, 1e-15);
  EXPECT_NEAR(before.damping.a, std::sqrt(0.1), 1e-15);  // lambda / T = 0.3 / 3
  // not positive definite, whatever the ladder adds
  refresh_one(block, sums_of(diagonal({1, -5000, 3}), diagonal({1, 4}), 2, 4),
              0.01, 1);
  const LayerCurvature& after = block.state();
  EXPECT_EQ(after.ladder.kept, 1);
  EXPECT_EQ(after.mean_a, before.mean_a);
  EXPECT_EQ(after.mean_g, before.mean_g);
  EXPECT_EQ(after.damping.a, before.damping.a);
  EXPECT_EQ(after.damping.g, before.damping.g);
  EXPECT_EQ(after.positions, before.positions);
  EXPECT_EQ(after.refreshes, 1);
}

// s = 0.2: A needs 10 times that for -1.9, and 1 is enough for the others.
TEST(KroneckerGuard, ASideRelaxesInAGoodRefreshOnly) {
  const Weight layer(Tensor::zeros({2, 3}, f64));
  KroneckerBlock block("fc", layer, {});
  const Tensor bent = diagonal({1, -1.9, 3});
  const Tensor good_g = diagonal({1, 4});
  refresh_one(block, sums_of(bent, good_g, 1, 1), 0.04, 0);
  EXPECT_NEAR(block.state().damping.a, 2.0, 1e-14);
  EXPECT_EQ(block.state().ladder.raised, 1);
  // G fails: the refresh is lost, and A stays at 10 times its damping
  refresh_one(block, sums_of(bent, diagonal({1, -5000}), 1, 1), 0.04, 1);
  EXPECT_EQ(block.state().ladder.raised, 4);
  refresh_one(block, sums_of(bent, diagonal({500, 500}), 1, 1), 0.04, 2);
  EXPECT_EQ(block.state().ladder.raised, 4);
  // what was used, although the good refresh then took one 10 back
  EXPECT_NEAR(block.state().damping.a, 2.0, 1e-14);
  refresh_one(block, sums_of(diagonal({1, 1, 1}), good_g, 1, 1), 0.04, 3);
  EXPECT_NEAR(block.state().damping.a, 0.2, 1e-15);
}

TEST(KroneckerGuard, SmallNumbersAreReadable) {
  const Weight layer(Tensor::zeros({2, 3}, f64));
  KroneckerBlock block("", layer, {});
  Listener listener;
  refresh_one(
      block,
      sums_of(diagonal({1e-4, -1e-5, 1e-4}), diagonal({1e-5, 1e-5}), 1, 1),
      1e-16, 0);
  ASSERT_EQ(block.preconditioner(), Preconditioner::Scalar);
  const std::string text = listener.events.back().message;
  EXPECT_THAT(text, HasSubstr("the root layer, step 0"));
  // (19e-5 / 3 + 1e-8) (1e-5 + 1e-8)
  EXPECT_THAT(text, HasSubstr("divided by 6.34067e-10"));
}

TEST(KroneckerGuard, InversesNeedPositions) {
  const Weight layer(Tensor::zeros({2, 3}, f64));
  KroneckerBlock block("fc", layer, {});
  const Tensor a = diagonal({1, 2, 3});
  const Tensor g = diagonal({1, 2});
  for (const double bad : {0.0, -1.0, std::nan(""), infinity}) {
    EXPECT_THROW(block.set_inverses(a, g, bad, 0), ValueError) << bad;
  }
  EXPECT_THROW(block.set_inverses(a, a, 1.0, 0), ShapeError);
  EXPECT_EQ(block.preconditioner(), Preconditioner::None);
  EXPECT_FALSE(block.inverse_a().defined());
}

/** A matrix, and what becomes of it by the rules of docs/thor.md. */
struct Awkward {
  const char* name;
  Doubles matrix;
  Preconditioner undamped;  ///< With nothing but the floor, 32 eps of the
  int raised_undamped;      ///< largest diagonal entry.
  int raised_damped;        ///< At s = sqrt(0.03) = 0.17.
};

// Fault 40: six awkward matrices on each side, in two precisions.
TEST(KroneckerGuard, AwkwardFactorsTakeTheRungsThatAreDocumented) {
  const auto inverse = Preconditioner::Inverse;
  const std::vector<Awkward> cases = {
      {"rank 1", {1, 2, 3, 2, 4, 6, 3, 6, 9}, inverse, 0, 0},
      // no floor under zeros, and their mean is no divisor
      {"dead", {0, 0, 0, 0, 0, 0, 0, 0, 0}, Preconditioner::None, 3, 0},
      {"tiny", {2e-30, 1e-30, 0, 1e-30, 2e-30, 0, 0, 0, 1e-30}, inverse, 0, 0},
      {"condition 1e12", {1, 0, 0, 0, 1e-6, 0, 0, 0, 1e-12}, inverse, 0, 0},
      {"duplicate columns", {1, 1, 0, 1, 1, 0, 0, 0, 1}, inverse, 0, 0},
      // eigenvalue -1: the floor stays below it, 0.17 needs one factor of 10
      {"indefinite",
       {1, 2, 0, 2, 1, 0, 0, 0, 1},
       Preconditioner::Scalar,
       3,
       1}};
  for (const DType dtype : {DType::F32, DType::F64}) {
    const TensorOptions options{dtype, Layout::RowMajor};
    const Weight layer(Tensor::zeros({3, 3}, options));
    const Tensor gradient = Tensor::ones({3, 3}, options);
    const Tensor mild = diagonal({1e-4, 2e-4, 1e-4}, dtype);
    for (const Awkward& c : cases) {
      const Tensor awkward = Tensor::from<double>(c.matrix, {3, 3}).to(dtype);
      for (const bool on_a : {true, false}) {
        const FactorSums sums =
            on_a ? sums_of(awkward, mild, 4, 4) : sums_of(mild, awkward, 4, 4);
        for (const double damping : {0.0, 1e-12, 0.03}) {
          KroneckerBlock block("fc", layer, {});
          refresh_one(block, sums, damping, 0);
          const std::string what = std::string(c.name) +
                                   (on_a ? " A " : " G ") + name_of(dtype) +
                                   " at " + std::to_string(damping);
          if (damping == 1e-12) {  // above or below the floor, by the dtype
            EXPECT_NE(block.preconditioner(), Preconditioner::None) << what;
          } else {
            EXPECT_EQ(block.preconditioner(),
                      damping == 0.0 ? c.undamped : inverse)
                << what;
            EXPECT_EQ(block.state().ladder.raised,
                      damping == 0.0 ? c.raised_undamped : c.raised_damped)
                << what;
          }
          EXPECT_EQ(block.state().ladder.not_finite, 0) << what;
          EXPECT_EQ(block.state().ladder.scalar,
                    block.preconditioner() == Preconditioner::Scalar ? 1 : 0)
              << what;
          if (block.preconditioner() == Preconditioner::None) continue;
          for (const double v :
               doubles(block.precondition({gradient}, 1.0).weight)) {
            EXPECT_TRUE(std::isfinite(v)) << what;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace mjolnir
