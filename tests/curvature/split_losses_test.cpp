#include <mjolnir/curvature/split_losses.h>

#include <gtest/gtest.h>

#include <algorithm>

#include <mjolnir/core/ops/elementwise.h>

#include "tests/curvature/factors.h"

namespace mjolnir {
namespace {

using testing::cut;
using testing::diagonal;
using testing::random_f64;
using testing::random_factor;
using testing::relative_error;
using testing::values_of;
using Sizes = std::vector<std::int64_t>;

/** lmax(m m^T) */
double top_of_square(const Tensor& m) {
  return values_of(linalg::eigh(linalg::syrk(m))->values).back();
}

TEST(SplitLosses, AreTheirDefinition) {
  Generator rng(1);
  const Tensor m = random_factor(10, rng);
  const Sizes sizes = {1, 3, 4, 9, 10, 16};
  const std::vector<double> losses = split_losses(m, sizes);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const double expected =
        1 - std::sqrt(top_of_square(cut(m, sizes[i])) / top_of_square(m));
    EXPECT_NEAR(losses[i], expected, 1e-13) << sizes[i];
  }
  EXPECT_GT(losses[0], 0.1);
}

TEST(SplitLosses, NothingIsLostOutsideOfTheBlocks) {
  Generator rng(2);
  const Tensor m = cut(random_factor(12, rng), 4);
  const std::vector<double> losses = split_losses(m, {2, 4, 8, 12, 100});
  EXPECT_GT(losses[0], 0.01);
  EXPECT_NEAR(losses[1], 0, 1e-14);  // rounding of two eigendecompositions
  EXPECT_NEAR(losses[2], 0, 1e-14);
  EXPECT_EQ(losses[3], 0);
  EXPECT_EQ(losses[4], 0);
}

TEST(SplitLosses, FallWithNestedSizes) {
  Generator rng(3);
  const std::vector<double> losses =
      split_losses(random_factor(70, rng), {1, 2, 4, 8, 16, 32, 64, 128});
  EXPECT_TRUE(std::is_sorted(losses.rbegin(), losses.rend()));
  EXPECT_EQ(losses.back(), 0);
}

TEST(SplitLosses, OfLargeFactorsComeFromLanczos) {
  Generator rng(4);
  // Images of 300 numbers around a common mean, as layers' inputs are.
  const Tensor x = random_f64({40, 300}, rng) + random_f64({1, 300}, rng);
  const Tensor m = linalg::syrk(x, true);
  const double whole = top_of_square(m);
  const std::vector<double> losses = split_losses(m, {200, 250, 300});
  for (const std::size_t i : {0u, 1u}) {
    const double expected =
        1 - std::sqrt(top_of_square(cut(m, i == 0 ? 200 : 250)) / whole);
    EXPECT_NEAR(losses[i], expected, 2e-5);  // 1e-5 of both
    EXPECT_GT(expected, 0.01);
  }
  EXPECT_EQ(losses[2], 0);
  // A flat spectrum, the slowest case; its top is 1.
  std::vector<double> flat;
  for (int i = 0; i < 300; ++i) flat.push_back(1.0 - 0.002 * i);
  std::reverse(flat.begin(), flat.end());
  EXPECT_NEAR(split_losses(diagonal(flat), {1})[0], 0, 1e-5);
}

TEST(SplitLosses, OfF32AreTheSame) {
  Generator rng(5);
  const Tensor m = random_factor(30, rng);
  EXPECT_LE(relative_error(split_losses(m.to(DType::F32), {1, 7, 16}),
                           split_losses(m, {1, 7, 16})),
            1e-5);
}

TEST(SplitLosses, Refuse) {
  EXPECT_THROW(split_losses(Tensor::zeros({2, 3}), {1}), ShapeError);
  EXPECT_THROW(split_losses(Tensor::zeros({2}), {1}), ShapeError);
  EXPECT_THROW(split_losses(Tensor::zeros({2, 2}), {0}), ValueError);
  EXPECT_THROW(split_losses(Tensor::zeros({2, 2}, {DType::I64}), {1}),
               ValueError);
  for (const std::int64_t n : {3, 250})
    EXPECT_THROW(split_losses(Tensor::full({n, n}, std::nan("")), {1}),
                 NumericalError);
  EXPECT_EQ(split_losses(Tensor::zeros({250, 250}), {1})[0], 0);
}

}  // namespace
}  // namespace mjolnir
