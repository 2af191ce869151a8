#include <mjolnir/curvature/conjugate_gradient.h>

#include <gtest/gtest.h>

#include <mjolnir/core/linalg.h>

#include "tests/curvature/small_net.h"

namespace mjolnir {
namespace {

using testing::relative_error;
using testing::small_batch;
using testing::SmallNet;
using testing::values_of;

// The natural gradient against a dense solve with the explicit matrix.
TEST(ConjugateGradient, NaturalGradientMatchesADenseSolve) {
  for (const FisherKind kind : {FisherKind::Exact, FisherKind::Empirical}) {
    Generator rng(3);
    SmallNet net(rng);
    const Batch batch = small_batch(Likelihood::Categorical, rng);
    const ParameterVector g =
        grad({negative_log_likelihood(Likelihood::Categorical,
                                      net(batch.images), batch.labels)},
             trainable_parameters(net));
    ConjugateGradientOptions options;
    options.damping = 0.01;
    options.tolerance = 1e-12;
    const ConjugateGradientResult found =
        natural_gradient(net, Likelihood::Categorical, batch, g, kind, options);
    EXPECT_TRUE(found.converged) << found.residual;
    const Tensor matrix =
        fisher_matrix(net, Likelihood::Categorical, batch, kind);
    std::vector<double> damped = values_of(matrix);
    const auto n = static_cast<std::size_t>(matrix.size(0));
    for (std::size_t i = 0; i < n; ++i) damped[i * n + i] += 0.01;
    const Tensor expected =
        *linalg::solve(testing::tensor(damped, matrix.shape()), flattened(g));
    EXPECT_LE(relative_error(flattened(found.x), expected), 1e-9);
    // Its rank bounds the iterations: samples times outputs, and one.
    EXPECT_LE(found.iterations, 5 * 3 + 1);
  }
}

TEST(ConjugateGradient, NothingToDoForZero) {
  const ParameterVector zero{Tensor::zeros({3}, {DType::F64})};
  const auto found =
      conjugate_gradient([](const ParameterVector& v) { return v; }, zero, {});
  EXPECT_TRUE(found.converged);
  EXPECT_EQ(found.iterations, 0);
  EXPECT_EQ(values_of(found.x[0]), (std::vector<double>{0, 0, 0}));
}

TEST(ConjugateGradient, AnIndefiniteMatrixEndsIt) {
  const ParameterVector b{testing::tensor({1.0, 2.0}, {2})};
  const auto found = conjugate_gradient(
      [](const ParameterVector& v) { return ParameterVector{v[0] * -1.0}; }, b);
  EXPECT_FALSE(found.converged);
  EXPECT_EQ(values_of(found.x[0]), (std::vector<double>{0, 0}));
}

TEST(ConjugateGradient, RefusesOptionsOutOfTheirDomain) {
  const ParameterVector b{testing::tensor({1.0}, {1})};
  const MatrixProduct identity = [](const ParameterVector& v) { return v; };
  ConjugateGradientOptions options;
  options.max_iterations = 0;
  EXPECT_THROW(conjugate_gradient(identity, b, options), ValueError);
  options = {};
  options.damping = -1.0;
  EXPECT_THROW(conjugate_gradient(identity, b, options), ValueError);
  options.damping = std::nan("");
  EXPECT_THROW(conjugate_gradient(identity, b, options), ValueError);
}

}  // namespace
}  // namespace mjolnir
