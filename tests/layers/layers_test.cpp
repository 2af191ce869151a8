// What every layer is made of: refusals, first values, clones, one line each.
#include <gmock/gmock.h>

#include <memory>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/layers/activations.h>
#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/conv2d.h>
#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/dropout.h>
#include <mjolnir/layers/embedding.h>
#include <mjolnir/layers/layer_norm.h>
#include <mjolnir/layers/pool.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using ::testing::AllOf;
using testing::bit_equal;
using ::testing::HasSubstr;
using testing::message_of;
using testing::values_of;

Conv2dOptions conv(std::int64_t in, std::int64_t out, Pair kernel) {
  Conv2dOptions options;
  options.in = in;
  options.out = out;
  options.kernel = kernel;
  return options;
}

DenseOptions dense(std::int64_t in, std::int64_t out) {
  DenseOptions options;
  options.in = in;
  options.out = out;
  return options;
}

EmbeddingOptions embedding_options(std::int64_t count, std::int64_t size) {
  EmbeddingOptions options;
  options.count = count;
  options.size = size;
  return options;
}

BatchNorm2dOptions norm(std::int64_t channels) {
  BatchNorm2dOptions options;
  options.channels = channels;
  return options;
}

template <class F>
std::string refused(F&& f) {
  return message_of<ValueError>(std::forward<F>(f));
}

TEST(Layers, ConvRefusals) {
  Generator rng(1);
  const auto refuse = [&](auto change) {
    Conv2dOptions options = conv(4, 6, 3);
    change(options);
    return refused([&] { Conv2d(options, rng); });
  };
  using O = Conv2dOptions;
  EXPECT_THAT(refuse([](O& o) { o.in = 0; }),
              HasSubstr("[Conv2d] expected in"));
  EXPECT_THAT(refuse([](O& o) { o.out = -1; }), HasSubstr("got -1"));
  EXPECT_THAT(refuse([](O& o) { o.kernel = Pair(0, 3); }),
              AllOf(HasSubstr("kernel"), HasSubstr("(0,3)")));
  EXPECT_THAT(refuse([](O& o) { o.stride = 0; }), HasSubstr("stride"));
  EXPECT_THAT(refuse([](O& o) { o.dilation = Pair(1, 0); }),
              HasSubstr("dilation"));
  EXPECT_THAT(refuse([](O& o) { o.padding = Padding(0, 0, -1, 0); }),
              HasSubstr("(0,0,-1,0)"));
  EXPECT_THAT(refuse([](O& o) { o.groups = 0; }), HasSubstr("groups"));
  EXPECT_THAT(refuse([](O& o) { o.groups = 3; }),
              AllOf(HasSubstr("in divisible by groups = 3"), HasSubstr("4")));
  EXPECT_THAT(refuse([](O& o) { o.groups = 4; }), HasSubstr("out divisible"));
  EXPECT_THROW(Conv2d(conv(1, 1, std::int64_t{1} << 40), rng), Error);
}

TEST(Layers, OtherRefusals) {
  Generator rng(1);
  EXPECT_THAT(refused([&] { Dense(dense(0, 1), rng); }),
              HasSubstr("[Dense] expected in >= 1, got 0"));
  EXPECT_THAT(refused([&] { Dense(dense(1, -2), rng); }), HasSubstr("-2"));
  EXPECT_THAT(refused([&] { Embedding(embedding_options(0, 1), rng); }),
              HasSubstr("count"));
  EXPECT_THAT(refused([&] { Embedding(embedding_options(1, 0), rng); }),
              HasSubstr("size"));
  EXPECT_THAT(refused([&] { BatchNorm2d{BatchNorm2dOptions{}}; }),
              HasSubstr("channels"));
  BatchNorm2dOptions bad = norm(2);
  bad.epsilon = 0;
  EXPECT_THAT(refused([&] { BatchNorm2d{bad}; }), HasSubstr("epsilon"));
  bad = norm(2);
  bad.momentum = std::nan("");
  EXPECT_THAT(refused([&] { BatchNorm2d{bad}; }), HasSubstr("momentum"));
  LayerNormOptions layer;
  EXPECT_THAT(refused([&] { LayerNorm{layer}; }), HasSubstr("shape"));
  layer.shape = {3, 0};
  EXPECT_THAT(refused([&] { LayerNorm{layer}; }), HasSubstr("got 0"));
  layer.shape = {3};
  layer.epsilon = -1;
  EXPECT_THAT(refused([&] { LayerNorm{layer}; }), HasSubstr("epsilon"));
  DropoutOptions dropout;
  for (const double p : {-0.1, 1.0, std::nan("")}) {
    dropout.p = p;
    EXPECT_THAT(refused([&] { Dropout(dropout, rng); }), HasSubstr("[0,1)"));
  }
  Pool2dOptions pool;
  pool.padding = 2;
  EXPECT_THAT(refused([&] { MaxPool2d{pool}; }), HasSubstr("half of kernel"));
  EXPECT_THAT(refused([&] { AvgPool2d{pool}; }), HasSubstr("[AvgPool2d]"));
  pool = Pool2dOptions{};
  pool.kernel = 0;
  EXPECT_THAT(refused([&] { MaxPool2d{pool}; }), HasSubstr("kernel"));
}

TEST(Layers, WrongInputsAreNamedErrors) {
  Generator rng(2);
  Conv2d convolution(conv(3, 4, 3), rng);
  EXPECT_THROW(convolution(Tensor::zeros({1, 2, 5, 5})), ShapeError);
  EXPECT_THROW(convolution(Tensor::zeros({3, 5, 5})), ShapeError);
  EXPECT_THROW(convolution(Tensor::zeros({1, 3, 2, 5})), ShapeError);
  EXPECT_THROW(convolution(Tensor::zeros({1, 3, 5, 5}, {DType::F64})),
               ValueError);
  EXPECT_THROW(convolution(Tensor()), ValueError);
  Dense linear(dense(3, 2), rng);
  EXPECT_THROW(linear(Tensor::zeros({4, 2})), ShapeError);
  EXPECT_THROW(linear(Tensor::zeros({4, 3}, {DType::I64})), ValueError);
  BatchNorm2d batch(norm(3));
  EXPECT_THROW(batch(Tensor::zeros({4, 2, 3, 3})), ShapeError);
  EXPECT_THROW(batch(Tensor::zeros({1, 3, 1, 1})), ValueError);
  Embedding table(embedding_options(3, 2), rng);
  EXPECT_THROW(table(Tensor::from(std::vector<std::int64_t>{3}, {1})), Error);
  EXPECT_THROW(table(Tensor::zeros({1})), ValueError);
}

TEST(Layers, EmptyBatchGivesAnEmptyResult) {
  Generator rng(3);
  Conv2d convolution(conv(3, 4, 3), rng);
  EXPECT_EQ(convolution(Tensor::zeros({0, 3, 5, 6})).shape(),
            (Shape{0, 4, 3, 4}));
  Dense linear(dense(3, 2), rng);
  EXPECT_EQ(linear(Tensor::zeros({0, 3})).shape(), (Shape{0, 2}));
}

TEST(Layers, FirstValuesAreUniformWithinPyTorchsBound) {
  Generator rng(4);
  Conv2dOptions options = conv(6, 32, Pair(3, 5));
  options.groups = 2;
  const Conv2d convolution(options, rng);
  EXPECT_EQ(convolution.weight.layout(), Layout::ChannelsLast);
  const Dense linear(dense(45, 64), rng);
  // fan_in is 3 * 3 * 5 = 45 for both: U(-b, b) with b = 1/sqrt(45).
  const double bound = 1 / std::sqrt(45.0);
  for (const Tensor& w :
       {convolution.weight, convolution.bias, linear.weight, linear.bias}) {
    double largest = 0;
    double squares = 0;
    for (const double v : values_of(w)) {
      largest = std::max(largest, std::abs(v));
      squares += v * v / double(w.numel());
    }
    EXPECT_LE(largest, bound);
    EXPECT_GT(largest, 0.9 * bound);
    // Variance b^2/3, within five deviations of its estimate.
    EXPECT_NEAR(squares / (bound * bound), 1.0 / 3,
                5 * 0.298 / std::sqrt(double(w.numel())));
  }
  const Embedding table(embedding_options(50, 40), rng);
  double squares = 0;
  for (const double v : values_of(table.weight)) squares += v * v / 2000;
  EXPECT_NEAR(squares, 1, 5 * std::sqrt(2.0 / 2000));
}

TEST(Layers, OneSeedOneLayer) {
  Generator a(5);
  Generator b(5);
  const Conv2d first(conv(3, 4, 3), a);
  const Conv2d second(conv(3, 4, 3), b);
  EXPECT_TRUE(bit_equal(first.weight, second.weight));
  EXPECT_TRUE(bit_equal(first.bias, second.bias));
  const Conv2d third(conv(3, 4, 3), b);
  EXPECT_FALSE(bit_equal(first.weight, third.weight));
}

TEST(Layers, ClonesAreEqualAndIndependent) {
  Generator rng(6);
  std::vector<std::pair<std::unique_ptr<Module>, Tensor>> layers;
  const auto add = [&](std::unique_ptr<Module> layer, const Shape& shape) {
    layers.emplace_back(std::move(layer), normal(shape, 0, 1, rng));
  };
  Conv2dOptions grouped = conv(4, 6, Pair(1, 3));
  grouped.groups = 2;
  grouped.bias = false;
  add(std::make_unique<Conv2d>(grouped, rng), {2, 4, 3, 5});
  add(std::make_unique<Dense>(dense(3, 2), rng), {4, 3});
  add(std::make_unique<BatchNorm2d>(norm(3)), {4, 3, 2, 2});
  LayerNormOptions layer_norm;
  layer_norm.shape = {3};
  add(std::make_unique<LayerNorm>(layer_norm), {4, 3});
  add(std::make_unique<Dropout>(DropoutOptions{}, rng), {40, 3});
  add(std::make_unique<MaxPool2d>(Pool2dOptions{}), {2, 1, 4, 5});
  add(std::make_unique<AvgPool2d>(Pool2dOptions{}), {2, 1, 4, 5});
  add(std::make_unique<GlobalAvgPool>(), {2, 1, 4, 5});
  add(std::make_unique<ReLU>(), {7});
  add(std::make_unique<GELU>(), {7});
  add(std::make_unique<SiLU>(), {7});
  add(std::make_unique<Sigmoid>(), {7});
  add(std::make_unique<Tanh>(), {7});
  add(std::make_unique<Softplus>(), {7});
  add(std::make_unique<Identity>(), {7});
  add(std::make_unique<LeakyReLU>(0.3), {7});
  add(std::make_unique<Softmax>(0), {7, 2});
  add(std::make_unique<Flatten>(0), {7, 2});
  layers.emplace_back(std::make_unique<Embedding>(embedding_options(4, 3), rng),
                      Tensor::from(std::vector<std::int64_t>{3, 1}, {2}));
  for (const auto& [layer, x] : layers)
    for (const bool training : {true, false}) {
      layer->train(training);
      const std::unique_ptr<Module> copy = layer->clone();
      EXPECT_EQ(copy->describe(), layer->describe());
      EXPECT_EQ(typeid(*copy), typeid(*layer));
      EXPECT_EQ(copy->training(), training);
      EXPECT_TRUE(bit_equal((*copy)(x), (*layer)(x))) << layer->describe();
      for (const auto& [name, tensor] : copy->state()) tensor.fill(9);
      for (const auto& [name, tensor] : layer->state())
        for (const double v : values_of(tensor)) EXPECT_NE(v, 9) << name;
    }
}

// In one pass, and in three for an observer, whose gradient lies before relu.
TEST(Layers, BatchNormWithRelu) {
  Generator rng(5);
  const Tensor x = normal({4, 3, 5, 2}, 0, 1, rng);
  const Tensor addend = normal({4, 3, 5, 2}, 0, 1, rng);
  x.set_requires_grad(true);
  for (const Tensor& added : {Tensor(), addend}) {
    BatchNorm2d fused(norm(3)), apart(norm(3)), observed(norm(3));
    const auto observer = std::make_shared<ScaleShiftObserver>();
    const auto handle = observed.observe(observer);
    const Tensor y = fused.relu(x, added);
    const Tensor before = apart(x);
    const Tensor truth = relu(added.defined() ? before + added : before);
    EXPECT_LE(testing::relative_error(y, truth), 1e-6);
    EXPECT_TRUE(bit_equal(observed.relu(x, added), truth));
    EXPECT_TRUE(bit_equal(fused.running_mean, apart.running_mean));
    EXPECT_TRUE(bit_equal(fused.running_var, apart.running_var));
    EXPECT_EQ(values_of(fused.num_batches_tracked)[0], 1);
    EXPECT_EQ(values_of(observed.num_batches_tracked)[0], 1);
    sum(observed.relu(x, added)).backward();
    EXPECT_EQ(observer->samples(), 4);
  }
}

TEST(Layers, BatchNormCountsAndEvaluationChangesNothing) {
  Generator rng(7);
  BatchNorm2d layer(norm(3));
  const Tensor x = normal({4, 3, 2, 5}, 3, 2, rng);
  layer(x);
  layer(x);
  EXPECT_EQ(values_of(layer.num_batches_tracked), std::vector<double>{2});
  const Tensor mean = layer.running_mean.clone();
  const Tensor variance = layer.running_var.clone();
  layer.eval();
  layer(x);
  EXPECT_EQ(values_of(layer.num_batches_tracked), std::vector<double>{2});
  EXPECT_TRUE(bit_equal(layer.running_mean, mean));
  EXPECT_TRUE(bit_equal(layer.running_var, variance));
}

TEST(Layers, DropoutDrawsFromAStreamOfItsOwn) {
  Generator a(8);
  Generator b(8);
  Dropout first({}, a);
  const Tensor x = Tensor::ones({100});
  const Tensor y = first(x);
  Dropout second({}, b);
  b.next();  // Later draws from the generator do not matter.
  EXPECT_TRUE(bit_equal(second(x), y));
  EXPECT_FALSE(bit_equal(second(x), y));
  second.eval();
  EXPECT_TRUE(bit_equal(second(x), x));
}

TEST(Layers, LinesForAPerson) {
  Generator rng(9);
  Conv2dOptions options = conv(4, 8, Pair(3, 5));
  options.stride = 2;
  options.padding = Padding(1, 2);
  options.groups = 2;
  options.dilation = Pair(1, 2);
  EXPECT_EQ(Conv2d(options, rng).describe(),
            "Conv2d(in=4, out=8, kernel=(3,5), stride=2, padding=(1,1,2,2), "
            "dilation=(1,2), groups=2)");
  EXPECT_EQ(Dense(dense(3, 2), rng).describe(), "Dense(in=3, out=2)");
  EXPECT_EQ(Dropout({}, rng).describe(), "Dropout(p=0.5)");
  EXPECT_EQ(ReLU().describe(), "ReLU");
  EXPECT_EQ(MaxPool2d({}).describe(),
            "MaxPool2d(kernel=2, stride=2, padding=0)");
}

}  // namespace
}  // namespace mjolnir
