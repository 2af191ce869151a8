#include <mjolnir/layers/second_moment.h>

#include <gmock/gmock.h>

#include <memory>

#include <mjolnir/core/linalg.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/layers/diagonal.h>
#include <mjolnir/layers/factors.h>

#include "tests/layers/sample_nets.h"

namespace mjolnir {
namespace {

using testing::conv_batch;
using testing::ConvNet;
using ::testing::HasSubstr;
using testing::message_of;
using testing::random_f64;
using testing::relative_error;
using testing::sample_rows;
using testing::TokenNet;
using testing::values_of;
using Rows = std::vector<std::vector<double>>;

// Sums in f64 in another order than the definition's.
constexpr double exact = 1e-12;

Tensor orthogonal(std::int64_t n, Generator& rng) {
  return linalg::eigh(linalg::syrk(random_f64({n, n}, rng)))->vectors;
}

/** sum of (U_G^T dW_n U_A)^2 by loops, the rows of dW_n in storage order
 * (cell, channel) from logical order (channel, cell). */
std::vector<double> naive(const Rows& rows, const Tensor& u_a,
                          const Tensor& u_g, std::size_t cells) {
  const auto d = std::size_t(u_a.size(0)), o = std::size_t(u_g.size(0));
  const std::size_t channels = d / cells;
  const std::vector<double> a = values_of(u_a), g = values_of(u_g);
  std::vector<double> total(o * d, 0.0);
  for (const std::vector<double>& row : rows) {
    std::vector<double> half(o * d, 0.0);  // dW_n U_A
    for (std::size_t i = 0; i < o; ++i)
      for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t k = 0; k < cells; ++k)
          for (std::size_t j = 0; j < d; ++j)
            half[i * d + j] +=
                row[i * d + c * cells + k] * a[(k * channels + c) * d + j];
    for (std::size_t p = 0; p < o; ++p)
      for (std::size_t j = 0; j < d; ++j) {
        double element = 0.0;
        for (std::size_t i = 0; i < o; ++i)
          element += g[i * o + p] * half[i * d + j];
        total[p * d + j] += element * element;
      }
  }
  return total;
}

void check(Module& model, CurvatureSource& source, const std::string& name,
           const BatchLoss& loss, const Batch& batch, const Batch& samples) {
  Generator rng(42);
  const Tensor weight = source.curvature_weight();
  const std::int64_t o = weight.size(0), d = weight.numel() / o;
  const std::int64_t cells = weight.rank() == 4 ? d / weight.size(1) : 1;
  const auto observer = std::make_shared<SecondMomentObserver>(
      orthogonal(d, rng), orthogonal(o, rng));
  const ObservationHandle handle = source.observe(observer);
  loss(model, batch).backward();
  ASSERT_TRUE(observer->sum().defined()) << name;
  EXPECT_EQ(observer->sum().shape(), (Shape{o, d}));
  EXPECT_EQ(observer->samples(), samples.images.size(0)) << name;
  EXPECT_LE(relative_error(
                values_of(observer->sum()),
                naive(sample_rows(model, loss, samples, name), observer->u_a(),
                      observer->u_g(), std::size_t(cells))),
            exact)
      << name;
}

TEST(SecondMoment, OfConvolutionsAndDense) {
  Generator rng(1);
  ConvNet net(rng);
  const Batch batch = conv_batch(5, rng);
  const auto& loss = testing::class_loss;
  check(net, net.conv, "conv.weight", loss, batch, batch);
  check(net, net.pointwise, "pointwise.weight", loss, batch, batch);
  check(net, net.fc, "fc.weight", loss, batch, batch);
}

TEST(SecondMoment, OfSequences) {
  Generator rng(2);
  Batch sequences, tokens;
  sequences.images = random_f64({4, 3, 5}, rng);
  tokens.images = reshape(sequences.images, {12, 5});
  for (const bool positions_are_samples : {false, true}) {
    TokenNet net(rng, positions_are_samples);
    const Batch& samples = positions_are_samples ? tokens : sequences;
    const auto& loss = testing::square_loss;
    check(net, net.first, "first.weight", loss, sequences, samples);
    check(net, net.second, "second.weight", loss, sequences, samples);
  }
}

TEST(SecondMoment, InTheStandardBasisIsTheDiagonal) {
  Generator rng(3);
  ConvNet net(rng);
  const auto eye = [](std::int64_t n) {
    const Tensor m = Tensor::zeros({n, n}, {DType::F64});
    for (std::int64_t i = 0; i < n; ++i)
      m.mutable_data<double>()[i * n + i] = 1;
    return m;
  };
  const auto moments = std::make_shared<SecondMomentObserver>(eye(12), eye(6));
  const auto diagonal = std::make_shared<DiagonalObserver>();
  const ObservationHandle a = net.conv.observe(moments);
  const ObservationHandle b = net.conv.observe(diagonal);
  testing::class_loss(net, conv_batch(3, rng)).backward();
  // (O,kh,kw,C) -> (O,C,kh,kw)
  const Tensor moved =
      permute(reshape(moments->sum(), {6, 3, 2, 2}), {0, 3, 1, 2});
  EXPECT_LE(relative_error(moved, diagonal->sum()), exact);
}

TEST(SecondMoment, OfOneSampleAreTheEigenvaluesOfItsFactors) {
  // One sample of one position: F = G kron A, exactly, so that the moments in
  // its eigenbasis are the products of the eigenvalues.
  Generator rng(4);
  Dense dense(testing::dense_of(4, 3, DType::F64), rng);
  const Tensor x = random_f64({1, 4}, rng), dout = random_f64({1, 3}, rng);
  dense.enable_factors();
  dense.collect(Collect::Factors);
  sum(dense(x) * dout).backward();
  const linalg::Eigh a = *linalg::eigh(dense.matrix_a());
  const linalg::Eigh g = *linalg::eigh(dense.matrix_g());
  const auto observer =
      std::make_shared<SecondMomentObserver>(a.vectors, g.vectors);
  const ObservationHandle handle = dense.observe(observer);
  sum(dense(x) * dout).backward();
  std::vector<double> products;
  for (const double p : values_of(g.values))
    for (const double q : values_of(a.values)) products.push_back(p * q);
  EXPECT_LE(relative_error(values_of(observer->sum()), products), exact);
}

TEST(SecondMoment, OfAnyNumberOfThreadsAndF32) {
  Generator rng(5);
  Conv2dOptions options = ConvNet::conv_options(DType::F64, 1);
  Conv2d conv(options, rng);
  options.dtype = DType::F32;
  Conv2d single(options, rng);
  const Tensor x = random_f64({120, 2, 5, 8}, rng);
  const Tensor dout = random_f64(conv(x).shape(), rng);
  const Tensor u_a = orthogonal(12, rng), u_g = orthogonal(6, rng);
  const auto moments = [&](Conv2d& layer, DType dtype) {
    const auto observer =
        std::make_shared<SecondMomentObserver>(u_a.to(dtype), u_g.to(dtype));
    const ObservationHandle handle = layer.observe(observer);
    sum(layer(x.to(dtype)) * dout.to(dtype)).backward();
    return observer->sum();
  };
  const int threads = num_threads();
  set_num_threads(1);
  const Tensor one = moments(conv, DType::F64);
  set_num_threads(3);
  const Tensor three = moments(conv, DType::F64);
  set_num_threads(threads);
  EXPECT_LE(relative_error(three, one), 1e-13);
  EXPECT_LE(relative_error(moments(single, DType::F32), one), 1e-6);
}

TEST(SecondMoment, RefusesByName) {
  Generator rng(6);
  const Tensor three = orthogonal(3, rng), two = orthogonal(2, rng);
  EXPECT_THROW(SecondMomentObserver(random_f64({3, 2}, rng), two), ShapeError);
  EXPECT_THROW(SecondMomentObserver(three, two.to(DType::F32)), ValueError);
  EXPECT_THROW(SecondMomentObserver(Tensor(), two), ValueError);

  Dense dense(testing::dense_of(3, 2, DType::F64), rng);
  const auto observer = std::make_shared<SecondMomentObserver>(three, two);
  const ObservationHandle handle = dense.observe(observer);
  const Tensor x = random_f64({4, 3}, rng);
  const auto message = [&] {
    return message_of<Error>([&] { sum(dense(x)).backward(); });
  };
  EXPECT_EQ(message(), "");
  EXPECT_EQ(observer->samples(), 4);
  observer->set_bases(two, two);
  EXPECT_EQ(observer->samples(), 0);
  EXPECT_FALSE(observer->sum().defined());
  EXPECT_THAT(message(), HasSubstr("[SecondMomentObserver] expected u_a"));
  observer->set_bases(three, three);
  EXPECT_THAT(message(), HasSubstr("u_g"));
  observer->set_bases(three.to(DType::F32), two.to(DType::F32));
  EXPECT_THAT(message(), HasSubstr("dtype"));

  CurvatureRecord record;
  record.kind = CurvatureKind::Embedding;
  EXPECT_THAT(message_of<ValueError>([&] { observer->record(record); }),
              HasSubstr("DiagonalObserver"));
  record.kind = CurvatureKind::Conv2d;
  record.geometry.groups = 2;
  EXPECT_THAT(message_of<ValueError>([&] { observer->record(record); }),
              HasSubstr("groups = 2"));

  Dense square(testing::dense_of(3, 3, DType::F64), rng);
  const auto twice = std::make_shared<SecondMomentObserver>(three, three);
  const ObservationHandle other = square.observe(twice);
  EXPECT_THAT(
      message_of<ValueError>([&] { sum(square(square(x))).backward(); }),
      HasSubstr("[SecondMomentObserver] the layer is used twice"));
}

}  // namespace
}  // namespace mjolnir
