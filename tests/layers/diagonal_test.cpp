#include <mjolnir/layers/diagonal.h>

#include <gmock/gmock.h>

#include <memory>

#include <mjolnir/core/threads.h>

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

// Sums in f64 in another order than the definition's.
constexpr double exact = 1e-12;

std::vector<double> sum_of_squares(
    const std::vector<std::vector<double>>& rows) {
  std::vector<double> total(rows.front().size(), 0.0);
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) total[i] += row[i] * row[i];
  return total;
}

/** Runs a pass with an observer at the layer, and compares. */
void check(Module& model, CurvatureSource& source, const std::string& name,
           const BatchLoss& loss, const Batch& batch, const Batch& samples) {
  const auto observer = std::make_shared<DiagonalObserver>();
  const ObservationHandle handle = source.observe(observer);
  loss(model, batch).backward();
  ASSERT_TRUE(observer->sum().defined()) << name;
  EXPECT_EQ(observer->sum().shape(), source.curvature_weight().shape());
  EXPECT_EQ(observer->sum().layout(), source.curvature_weight().layout());
  EXPECT_EQ(observer->samples(), samples.images.size(0)) << name;
  EXPECT_LE(
      relative_error(values_of(observer->sum()),
                     sum_of_squares(sample_rows(model, loss, samples, name))),
      exact)
      << name;
}

TEST(Diagonal, OfConvolutionsAndDense) {
  Generator rng(1);
  for (const std::int64_t groups : {1, 2}) {
    ConvNet net(rng, DType::F64, groups);
    const Batch batch = conv_batch(5, rng);
    const auto& loss = testing::class_loss;
    check(net, net.conv, "conv.weight", loss, batch, batch);
    check(net, net.pointwise, "pointwise.weight", loss, batch, batch);
    check(net, net.fc, "fc.weight", loss, batch, batch);
  }
}

struct OneConv : Module {
  explicit OneConv(Generator& rng) : conv(options(), rng) { add("conv", conv); }
  Tensor operator()(const Tensor& x) override { return conv(x); }
  static Conv2dOptions options() {
    Conv2dOptions options;
    options.in = 4;
    options.out = 3;
    options.kernel = 5;
    options.dtype = DType::F64;
    return options;
  }
  Conv2d conv;
};

TEST(Diagonal, OfImagesWhosePatchesComeInSeveralTiles) {
  Generator rng(9);
  OneConv net(rng);
  Batch batch;
  // 1600 patches of 100 doubles, in tiles of a megabyte.
  batch.images = random_f64({2, 4, 44, 44}, rng);
  check(net, net.conv, "conv.weight", testing::square_loss, batch, batch);
}

TEST(Diagonal, OfSequences) {
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

struct WordNet : Module {
  explicit WordNet(Generator& rng)
      : table(options(), rng), fc(testing::dense_of(9, 3, DType::F64), rng) {
    add("table", table);
    add("fc", fc);
  }
  Tensor operator()(const Tensor& ids) override {
    return fc(tanh(flatten(table(ids))));
  }
  static EmbeddingOptions options() {
    EmbeddingOptions options;
    options.count = 6;
    options.size = 3;
    options.dtype = DType::F64;
    return options;
  }
  Embedding table;
  Dense fc;
};

TEST(Diagonal, OfEmbeddingsAddsARepeatedIdBeforeItSquares) {
  Generator rng(3);
  WordNet net(rng);
  Batch batch;
  batch.images = Tensor::from(
      std::vector<std::int64_t>{5, 0, 5, 2, 2, 2, 1, 0, 3, 0, 5, 1}, {4, 3});
  batch.labels = Tensor::from(std::vector<std::int64_t>{0, 1, 2, 0}, {4});
  check(net, net.table, "table.weight", testing::class_loss, batch, batch);

  DiagonalObserver observer;
  CurvatureRecord record;
  record.kind = CurvatureKind::Embedding;
  record.x = batch.images;
  record.dout = Tensor::zeros({4, 3, 3}, {DType::F64});
  record.rows = 5;
  record.samples = 4;
  record.pass = 1;
  EXPECT_THROW(observer.record(record), ValueError);
}

TEST(Diagonal, IsAdditiveOverPassesAndForgetsInZeroGrad) {
  Generator rng(4);
  ConvNet net(rng);
  const auto observer = std::make_shared<DiagonalObserver>();
  const ObservationHandle handle = net.conv.observe(observer);
  const Batch a = conv_batch(3, rng), b = conv_batch(2, rng);
  testing::class_loss(net, a).backward();
  const Tensor first = observer->sum().clone();
  testing::class_loss(net, b).backward();
  const Tensor both = observer->sum().clone();
  EXPECT_EQ(observer->samples(), 5);
  net.zero_grad();
  EXPECT_FALSE(observer->sum().defined());
  EXPECT_EQ(observer->samples(), 0);
  testing::class_loss(net, b).backward();
  EXPECT_LE(relative_error(first + observer->sum(), both), 1e-14);

  observer->collect(false);
  testing::class_loss(net, a).backward();
  EXPECT_EQ(observer->samples(), 2);
}

TEST(Diagonal, OfF32AndOfAnyNumberOfThreads) {
  Generator rng(5);
  ConvNet net(rng);
  const Batch batch = conv_batch(150, rng);  // enough for threads of their own
  Generator again(6);
  ConvNet single(again, DType::F32);
  single.conv.weight.copy_from(net.conv.weight.to(DType::F32));
  single.conv.bias.copy_from(net.conv.bias.to(DType::F32));
  single.pointwise.weight.copy_from(net.pointwise.weight.to(DType::F32));
  single.pointwise.bias.copy_from(net.pointwise.bias.to(DType::F32));
  single.fc.weight.copy_from(net.fc.weight.to(DType::F32));
  single.fc.bias.copy_from(net.fc.bias.to(DType::F32));
  const auto diagonal = [](ConvNet& of, const Batch& in) {
    const auto observer = std::make_shared<DiagonalObserver>();
    const ObservationHandle handle = of.conv.observe(observer);
    testing::class_loss(of, in).backward();
    return observer->sum();
  };
  const int threads = num_threads();
  set_num_threads(1);
  const Tensor one = diagonal(net, batch);
  set_num_threads(3);
  const Tensor three = diagonal(net, batch);
  set_num_threads(threads);
  EXPECT_LE(relative_error(three, one), 1e-13);
  Batch rounded = batch;
  rounded.images = batch.images.to(DType::F32);
  // Gradients through two layers in f32, squared.
  EXPECT_LE(relative_error(diagonal(single, rounded), one), 1e-5);
}

TEST(Diagonal, RefusesALayerThatIsUsedTwiceInAPass) {
  Generator rng(7);
  Dense dense(testing::dense_of(3, 3, DType::F64), rng);
  const auto observer = std::make_shared<DiagonalObserver>();
  const ObservationHandle handle = dense.observe(observer);
  const Tensor x = random_f64({4, 3}, rng);
  EXPECT_THAT(message_of<ValueError>([&] { sum(dense(dense(x))).backward(); }),
              HasSubstr("[DiagonalObserver] the layer is used twice"));
  EXPECT_FALSE(observer->sum().defined());
  EXPECT_EQ(observer->samples(), 0);
  sum(dense(x)).backward();
  EXPECT_EQ(observer->samples(), 4);
}

TEST(Diagonal, OfCurvaturePassesAndOfNothing) {
  Generator rng(8);
  Dense dense(testing::dense_of(3, 2, DType::F64), rng);
  const auto observer = std::make_shared<DiagonalObserver>(Purpose::Curvature);
  const ObservationHandle handle = dense.observe(observer);
  const Tensor x = random_f64({4, 3}, rng);
  sum(dense(x)).backward();
  EXPECT_FALSE(observer->sum().defined());
  BackwardOptions options;
  options.curvature_only = true;
  sum(dense(Tensor::zeros({0, 3}, {DType::F64}))).backward(options);
  EXPECT_FALSE(observer->sum().defined());
  sum(dense(x)).backward(options);
  EXPECT_EQ(observer->samples(), 4);

  CurvatureRecord record;
  record.x = random_f64({5, 3}, rng);
  record.dout = random_f64({5, 2}, rng);
  record.rows = 2;
  record.samples = 2;
  record.pass = 1;
  EXPECT_THAT(
      message_of<ValueError>([&] { DiagonalObserver().record(record); }),
      HasSubstr("positions"));
}

}  // namespace
}  // namespace mjolnir
