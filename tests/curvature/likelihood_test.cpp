#include <mjolnir/curvature/likelihood.h>

#include <gtest/gtest.h>

#include <cmath>

#include "tests/curvature/small_net.h"

namespace mjolnir {
namespace {

using testing::values_of;

TEST(Likelihood, LossesAreThoseOfTheDistributions) {
  const Tensor z = testing::tensor({1.0, -2.0, 0.5, 0.25}, {2, 2});
  const Tensor y = testing::tensor({0.0, 1.0, 0.5, 0.0}, {2, 2});
  // half of (1 + 9 + 0 + 0.0625), over two samples
  EXPECT_NEAR(negative_log_likelihood(Likelihood::Gaussian, z, y).item(),
              2.515625, 1e-12);
  // log(1+e) + log(1+e^2) + log(1+e^0.5)-0.25 + log(1+e^0.25), over two
  const double bernoulli =
      (std::log1p(std::exp(1.0)) + std::log1p(std::exp(2.0)) +
       std::log1p(std::exp(0.5)) - 0.25 + std::log1p(std::exp(0.25))) /
      2.0;
  EXPECT_NEAR(negative_log_likelihood(Likelihood::Bernoulli, z, y).item(),
              bernoulli, 1e-12);
  const Tensor labels = Tensor::from(std::vector<std::int64_t>{1, 0}, {2});
  // log(1 + e^3), log(1 + e^-0.25), over two
  EXPECT_NEAR(
      negative_log_likelihood(Likelihood::Categorical, z, labels).item(),
      (std::log1p(std::exp(3.0)) + std::log1p(std::exp(-0.25))) / 2.0, 1e-12);
}

// Frequencies of drawn targets: mean p, with a standard error below 0.005.
TEST(Likelihood, TargetsAreDrawnFromTheModelsDistribution) {
  Generator rng(1);
  const std::int64_t draws = 20000;
  const Tensor row = testing::tensor({0.0, std::log(2.0), std::log(5.0)}, {3});
  const Tensor z = broadcast_to(row, {draws, 3});
  const Tensor labels = sample_targets(Likelihood::Categorical, z, rng);
  double counts[3] = {0, 0, 0};
  for (const std::int64_t label : labels.to_vector<std::int64_t>()) {
    ASSERT_TRUE(label >= 0 && label < 3);
    counts[label] += 1.0 / static_cast<double>(draws);
  }
  EXPECT_NEAR(counts[0], 0.125, 0.015);
  EXPECT_NEAR(counts[1], 0.25, 0.015);
  EXPECT_NEAR(counts[2], 0.625, 0.015);

  const Tensor bits = sample_targets(Likelihood::Bernoulli, z, rng);
  const Tensor reals = sample_targets(Likelihood::Gaussian, z, rng);
  const double p[3] = {0.5, 2.0 / 3.0, 5.0 / 6.0};
  const auto b = values_of(mean(bits, {0}));
  const auto m = values_of(mean(reals, {0}));
  const auto s = values_of(var(reals, {0}));
  const auto centre = values_of(row);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_NEAR(b[k], p[k], 0.02) << k;
    EXPECT_NEAR(m[k], centre[k], 0.04) << k;
    EXPECT_NEAR(s[k], 1.0, 0.05) << k;
  }
}

TEST(Likelihood, TheSameGeneratorDrawsTheSame) {
  const Tensor z = testing::tensor({0.3, -1.0, 2.0, 0.0}, {2, 2});
  for (const Likelihood likelihood :
       {Likelihood::Categorical, Likelihood::Bernoulli, Likelihood::Gaussian}) {
    Generator one(5), two(5);
    EXPECT_EQ(values_of(sample_targets(likelihood, z, one)),
              values_of(sample_targets(likelihood, z, two)));
  }
}

TEST(Likelihood, RefusesWhatDoesNotFit) {
  const Tensor z = testing::tensor({0.3, -1.0, 2.0, 0.0}, {2, 2});
  const Tensor cube = testing::tensor({0.3, -1.0, 2.0, 0.0}, {2, 2, 1});
  Generator rng(1);
  EXPECT_THROW(sample_targets(Likelihood::Categorical, cube, rng), ShapeError);
  EXPECT_THROW(output_fisher_product(Likelihood::Gaussian, z, cube),
               ShapeError);
  EXPECT_THROW(negative_log_likelihood(Likelihood::Gaussian, z, cube),
               ShapeError);
  EXPECT_THROW(
      sample_targets(Likelihood::Gaussian,
                     Tensor::from(std::vector<std::int64_t>{1}, {1}), rng),
      ValueError);
}

}  // namespace
}  // namespace mjolnir
