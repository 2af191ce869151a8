// Products with curvature matrices against the matrices themselves, from
// central differences, and against the samples' own gradients.
#include <mjolnir/curvature/products.h>

#include <gtest/gtest.h>

#include <mjolnir/core/linalg.h>

#include "tests/curvature/small_net.h"

namespace mjolnir {
namespace {

using testing::differences;
using testing::random_direction;
using testing::relative_error;
using testing::small_batch;
using testing::SmallNet;
using testing::values_of;
using Rows = std::vector<std::vector<double>>;

constexpr Likelihood likelihoods[] = {
    Likelihood::Categorical, Likelihood::Bernoulli, Likelihood::Gaussian};

// Central differences leave about 1e-9 of the largest derivative.
constexpr double by_differences = 1e-7;

Tensor loss_of(SmallNet& net, Likelihood likelihood, const Batch& batch) {
  return negative_log_likelihood(likelihood, net(batch.images), batch.labels);
}

// m^T v for rows m[p]
std::vector<double> transposed_product(const Rows& m,
                                       const std::vector<double>& v) {
  std::vector<double> y(m.front().size(), 0.0);
  for (std::size_t p = 0; p < m.size(); ++p) {
    for (std::size_t k = 0; k < y.size(); ++k) y[k] += m[p][k] * v[p];
  }
  return y;
}

std::vector<double> product(const Rows& m, const std::vector<double>& v) {
  std::vector<double> y;
  for (const auto& row : m) {
    y.push_back(0.0);
    for (std::size_t k = 0; k < v.size(); ++k) y.back() += row[k] * v[k];
  }
  return y;
}

TEST(Products, HessianMatchesDifferencesOfTheGradient) {
  for (const Likelihood likelihood : likelihoods) {
    Generator rng(3);
    SmallNet net(rng);
    const Batch batch = small_batch(likelihood, rng);
    const ParameterVector parameters = trainable_parameters(net);
    const ParameterVector v = random_direction(parameters, rng);
    const Rows hessian = differences(parameters, [&] {
      return values_of(
          flattened(grad({loss_of(net, likelihood, batch)}, parameters)));
    });
    const ParameterVector hv =
        hessian_vector_product(loss_of(net, likelihood, batch), parameters, v);
    EXPECT_LE(relative_error(values_of(flattened(hv)),
                             product(hessian, values_of(flattened(v)))),
              by_differences)
        << int(likelihood);
  }
}

TEST(Products, JacobianMatchesDifferencesOfTheOutputs) {
  Generator rng(4);
  SmallNet net(rng);
  const Batch batch = small_batch(Likelihood::Gaussian, rng);
  const ParameterVector parameters = trainable_parameters(net);
  const ParameterVector v = random_direction(parameters, rng);
  const Rows jacobian = differences(
      parameters, [&] { return values_of(net(batch.images).detach()); });
  const Tensor jv = jacobian_vector_product(net(batch.images), parameters, v);
  EXPECT_EQ(jv.shape(), (Shape{5, 3}));
  EXPECT_LE(
      relative_error(values_of(jv),
                     transposed_product(jacobian, values_of(flattened(v)))),
      by_differences);
}

// J^T H J v with J and H by differences; H is that of the whole loss with
// respect to the outputs.
TEST(Products, GaussNewtonMatchesItsDefinition) {
  for (const Likelihood likelihood : likelihoods) {
    Generator rng(5);
    SmallNet net(rng);
    const Batch batch = small_batch(likelihood, rng);
    const ParameterVector parameters = trainable_parameters(net);
    const ParameterVector v = random_direction(parameters, rng);
    const Rows jacobian = differences(
        parameters, [&] { return values_of(net(batch.images).detach()); });
    const Tensor z = net(batch.images).detach().clone();
    z.set_requires_grad(true);
    const Rows hessian = differences({z}, [&] {
      return values_of(
          grad({negative_log_likelihood(likelihood, z, batch.labels)}, {z})[0]);
    });
    const std::vector<double> expected = product(
        jacobian, product(hessian, transposed_product(
                                       jacobian, values_of(flattened(v)))));
    const Tensor outputs = net(batch.images);
    const Tensor loss =
        negative_log_likelihood(likelihood, outputs, batch.labels);
    const ParameterVector gv =
        gauss_newton_vector_product(outputs, loss, parameters, v);
    EXPECT_LE(relative_error(values_of(flattened(gv)), expected),
              by_differences)
        << int(likelihood);
    // For these likelihoods the exact Fisher matrix is the same matrix.
    const ParameterVector fv = fisher_vector_product(net, likelihood, batch, v);
    EXPECT_LE(relative_error(flattened(fv), flattened(gv)), 1e-12)
        << int(likelihood);
  }
}

TEST(Products, FisherMatchesTheMatrixOfTheSamplesGradients) {
  for (const Likelihood likelihood : likelihoods) {
    for (const FisherKind kind : {FisherKind::Exact, FisherKind::Empirical}) {
      Generator rng(6);
      SmallNet net(rng);
      const Batch batch = small_batch(likelihood, rng);
      const ParameterVector v =
          random_direction(trainable_parameters(net), rng);
      const Tensor fisher = fisher_matrix(net, likelihood, batch, kind);
      const Tensor vector = flattened(v);
      const Tensor expected =
          linalg::matmul(fisher, reshape(vector, {vector.numel(), 1}));
      const ParameterVector fv =
          fisher_vector_product(net, likelihood, batch, v, kind);
      EXPECT_LE(relative_error(values_of(flattened(fv)), values_of(expected)),
                1e-12)
          << int(likelihood) << " " << int(kind);
    }
  }
}

TEST(Products, WhatDoesNotMatterIsZero) {
  Generator rng(7);
  SmallNet net(rng);
  const ParameterVector parameters = trainable_parameters(net);
  const ParameterVector v = random_direction(parameters, rng);
  // Linear in the bias of fc, and without any other parameter.
  const ParameterVector hv =
      hessian_vector_product(sum(net.fc.bias * 2.0), parameters, v);
  for (const Tensor& t : hv) {
    EXPECT_EQ(sum(abs(t)).item(), 0.0);
  }
}

TEST(Products, FrozenParametersAreNotPartOfTheVector) {
  Generator rng(8);
  SmallNet net(rng);
  net.conv.freeze();
  const Batch batch = small_batch(Likelihood::Categorical, rng);
  const ParameterVector parameters = trainable_parameters(net);
  ASSERT_EQ(parameters.size(), 2u);
  const ParameterVector v = random_direction(parameters, rng);
  const ParameterVector fv =
      fisher_vector_product(net, Likelihood::Categorical, batch, v);
  const Tensor fisher = fisher_matrix(net, Likelihood::Categorical, batch);
  EXPECT_EQ(fisher.size(0), 12 * 3 + 3);
  EXPECT_LE(relative_error(values_of(flattened(fv)),
                           values_of(linalg::matmul(
                               fisher, reshape(flattened(v), {-1, 1})))),
            1e-12);
}

TEST(Products, NothingIsAccumulatedAndNobodyIsFed) {
  Generator rng(9);
  SmallNet net(rng);
  net.fc.enable_factors();
  net.fc.collect(Collect::Factors);
  const Batch batch = small_batch(Likelihood::Categorical, rng);
  const ParameterVector v = random_direction(trainable_parameters(net), rng);
  fisher_vector_product(net, Likelihood::Categorical, batch, v);
  fisher_matrix(net, Likelihood::Categorical, batch);
  EXPECT_FALSE(net.fc.weight.grad().defined());
  EXPECT_THROW(net.fc.matrix_a(), ValueError);
}

TEST(Products, RefuseAVectorThatDoesNotFit) {
  Generator rng(10);
  SmallNet net(rng);
  const Batch batch = small_batch(Likelihood::Categorical, rng);
  const ParameterVector parameters = trainable_parameters(net);
  ParameterVector v = random_direction(parameters, rng);
  v.pop_back();
  EXPECT_THROW(fisher_vector_product(net, Likelihood::Categorical, batch, v),
               ShapeError);
  v.push_back(Tensor::zeros({7}, {DType::F64}));
  EXPECT_THROW(fisher_vector_product(net, Likelihood::Categorical, batch, v),
               ShapeError);
  EXPECT_THROW(hessian_vector_product(sum(net.fc.bias), parameters, v),
               ShapeError);
  EXPECT_THROW(unflattened(Tensor::zeros({3}, {DType::F64}), parameters),
               ShapeError);
}

TEST(Products, RefuseAnEmptyBatch) {
  Generator rng(12);
  SmallNet net(rng);
  const ParameterVector v = random_direction(trainable_parameters(net), rng);
  Batch none;
  none.images = Tensor::zeros({0, 2, 3, 4}, {DType::F64});
  none.labels = Tensor::zeros({0}, {DType::I64});
  for (const FisherKind kind : {FisherKind::Exact, FisherKind::Empirical}) {
    EXPECT_THROW(fisher_matrix(net, Likelihood::Categorical, none, kind),
                 ValueError);
    EXPECT_THROW(
        fisher_vector_product(net, Likelihood::Categorical, none, v, kind),
        ValueError);
  }
}

TEST(Products, FlattenedComesBack) {
  Generator rng(11);
  SmallNet net(rng);
  const ParameterVector parameters = trainable_parameters(net);
  const ParameterVector again = unflattened(flattened(parameters), parameters);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_EQ(again[i].layout(), parameters[i].layout());
    EXPECT_EQ(values_of(again[i]), values_of(parameters[i]));
  }
}

}  // namespace
}  // namespace mjolnir
