// Gradients of every layer, inputs and parameters, by central differences.
#include <functional>
#include <memory>

#include <mjolnir/layers/activations.h>
#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/conv2d.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/dropout.h>
#include <mjolnir/layers/embedding.h>
#include <mjolnir/layers/functional.h>
#include <mjolnir/layers/layer_norm.h>
#include <mjolnir/layers/pool.h>
#include <mjolnir/testing/gradcheck.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

void check(Module& layer, const Tensor& x, Generator& rng) {
  std::vector<std::string> names;
  std::vector<Tensor> inputs{x};
  for (const auto& [name, parameter] : layer.named_parameters()) {
    names.push_back(name);
    inputs.push_back(
        normal(parameter.shape(), 0.3, 1, rng, parameter.options()));
  }
  testing::GradcheckOptions options;
  options.name = layer.describe() + " x " + x.shape().str();
  const testing::GradcheckResult result = testing::check_gradients(
      [&](const std::vector<Tensor>& values) {
        std::vector<NamedTensor> parameters;
        for (std::size_t i = 0; i < names.size(); ++i)
          parameters.emplace_back(names[i], values[i + 1]);
        return functional_call(layer, parameters, values[0]);
      },
      inputs, options);
  EXPECT_TRUE(result) << result.message;
  EXPECT_GT(result.checked, 0);
}

void check(Module& layer, const Shape& shape, Generator& rng) {
  check(layer, testing::random_f64(shape, rng), rng);
  if (shape.rank() == 4)
    check(layer, testing::random_f64(shape, rng, Layout::ChannelsLast), rng);
}

struct ConvCase {
  Shape x;
  std::int64_t out;
  Pair kernel;
  Pair stride;
  Padding padding;
  Pair dilation;
  std::int64_t groups;
};

TEST(LayerGradients, Conv2d) {
  const std::vector<ConvCase> cases{
      {{2, 3, 5, 7}, 4, Pair(3, 2), 1, 0, 1, 1},
      {{1, 2, 6, 5}, 3, 3, 2, 1, 1, 1},
      {{3, 4, 4, 5}, 6, Pair(2, 3), Pair(1, 2), Padding(0, 1, 2, 0), 1, 2},
      {{2, 3, 3, 4}, 5, 1, 1, 0, 1, 1},
      {{1, 3, 7, 9}, 3, 3, 1, 2, Pair(2, 3), 3},
      {{1, 1, 1, 1}, 1, 1, 1, 0, 1, 1},
  };
  Generator rng(1);
  for (const ConvCase& c : cases) {
    Conv2dOptions options;
    options.in = c.x[1];
    options.out = c.out;
    options.kernel = c.kernel;
    options.stride = c.stride;
    options.padding = c.padding;
    options.dilation = c.dilation;
    options.groups = c.groups;
    options.dtype = DType::F64;
    Conv2d conv(options, rng);
    check(conv, c.x, rng);
  }
}

TEST(LayerGradients, Conv2dThor) {
  Generator rng(2);
  for (const char* mode : {"same", "valid", "pad"})
    for (const std::int64_t stride : {1, 2}) {
      Conv2dThorOptions options;
      options.in_channels = 2;
      options.out_channels = 3;
      options.kernel_size = Pair(2, 3);
      options.stride = Pair(stride, 1);
      options.pad_mode = mode;
      if (std::string(mode) == "pad") options.padding = {1, 0, 2, 1};
      options.has_bias = stride == 2;
      options.dtype = DType::F64;
      Conv2dThor conv(options, rng);
      check(conv, {2, 2, 5, 4}, rng);
    }
}

TEST(LayerGradients, Conv2dThorInAllItsArguments) {
  struct Case {
    Shape x;
    std::int64_t out;
    Pair kernel;
    Pair stride;
    Pair dilation;
    std::int64_t group;
    const char* mode;
  };
  const std::vector<Case> cases{
      {{1, 3, 5, 7}, 2, Pair(3, 2), 2, 1, 1, "same"},   // one image, odd sizes
      {{2, 3, 3, 5}, 4, 1, 1, 1, 1, "valid"},           // a 1x1 kernel
      {{2, 4, 5, 4}, 6, Pair(2, 3), 1, 1, 2, "same"},   // two groups
      {{1, 3, 7, 5}, 3, 3, Pair(2, 1), 1, 3, "valid"},  // depthwise
      {{3, 2, 7, 9}, 3, Pair(3, 2), 2, Pair(1, 3), 1, "same"},
      {{1, 1, 1, 1}, 2, 3, 1, 1, 1, "same"},  // all but one tap on padding
      {{2, 2, 9, 5}, 2, 2, Pair(1, 2), Pair(3, 1), 2, "pad"},
  };
  Generator rng(9);
  for (const Case& c : cases) {
    Conv2dThorOptions options;
    options.in_channels = c.x[1];
    options.out_channels = c.out;
    options.kernel_size = c.kernel;
    options.stride = c.stride;
    options.dilation = c.dilation;
    options.group = c.group;
    options.pad_mode = c.mode;
    if (std::string(c.mode) == "pad") options.padding = {0, 2, 1, 0};
    options.has_bias = true;
    options.dtype = DType::F64;
    Conv2dThor conv(options, rng);
    check(conv, c.x, rng);
  }
}

// A mask is drawn in each pass: the stream is put back before each.
TEST(LayerGradients, Dropout) {
  Generator rng(10);
  for (const double p : {0.0, 0.3, 0.8})
    for (const Shape& shape : {Shape{7}, Shape{3, 4}, Shape{2, 3, 4, 5}}) {
      DropoutOptions options;
      options.p = p;
      Dropout dropout(options, rng);
      for (const bool training : {true, false}) {
        dropout.train(training);
        const Generator::State state = dropout.generator().state();
        testing::GradcheckOptions check;
        check.name = dropout.describe();
        const testing::GradcheckResult result = testing::check_gradients(
            [&](const std::vector<Tensor>& x) {
              dropout.generator().set_state(state);
              return dropout(x[0]);
            },
            {testing::random_f64(shape, rng)}, check);
        EXPECT_TRUE(result) << result.message;
        EXPECT_EQ(result.checked, shape.numel());
      }
    }
}

TEST(LayerGradients, Dense) {
  Generator rng(3);
  for (const Shape& shape : {Shape{4, 3}, Shape{1, 3}, Shape{2, 5, 3},
                             Shape{1, 1, 3}, Shape{2, 2, 2, 3}}) {
    DenseOptions options;
    options.in = 3;
    options.out = 5;
    options.bias = shape[0] != 1;
    options.dtype = DType::F64;
    Dense dense(options, rng);
    check(dense, testing::random_f64(shape, rng), rng);
    DenseThorOptions thor;
    thor.in_channels = 3;
    thor.out_channels = 2;
    thor.dtype = DType::F64;
    DenseThor upstream(thor, rng);
    check(upstream, testing::random_f64(shape, rng), rng);
  }
}

TEST(LayerGradients, BatchNorm2d) {
  Generator rng(4);
  for (const Shape& shape : {Shape{3, 2, 4, 5}, Shape{1, 3, 3, 2},
                             Shape{5, 4, 1, 1}, Shape{6, 3}, Shape{2, 1, 5, 3}})
    for (const bool training : {true, false}) {
      BatchNorm2dOptions options;
      options.channels = shape[1];
      options.dtype = DType::F64;
      BatchNorm2d norm(options);
      norm.train(training);
      check(norm, shape, rng);
    }
}

TEST(LayerGradients, LayerNorm) {
  Generator rng(5);
  for (const Shape& shape : {Shape{3, 4}, Shape{1, 7}, Shape{2, 3, 5},
                             Shape{2, 3, 2, 4}, Shape{1, 2, 3, 3}})
    for (const std::size_t axes : {std::size_t{1}, shape.rank() - 1}) {
      LayerNormOptions options;
      const std::vector<std::int64_t> lengths = shape.to_vector();
      options.shape.assign(lengths.end() - std::ptrdiff_t(axes), lengths.end());
      options.dtype = DType::F64;
      LayerNorm norm(options);
      check(norm, shape, rng);
    }
}

TEST(LayerGradients, Embedding) {
  Generator rng(6);
  for (const Shape& shape :
       {Shape{4}, Shape{1}, Shape{2, 3}, Shape{3, 1, 2}, Shape{5, 5}}) {
    EmbeddingOptions options;
    options.count = 6;
    options.size = 3;
    options.dtype = DType::F64;
    Embedding table(options, rng);
    std::vector<std::int64_t> ids;
    for (std::int64_t i = 0; i < shape.numel(); ++i)
      ids.push_back(std::int64_t(rng.below(6)));
    check(table, Tensor::from(ids, shape), rng);
  }
}

TEST(LayerGradients, Pools) {
  Generator rng(7);
  const std::vector<std::pair<Shape, Pool2dOptions>> cases = [] {
    const auto pool = [](Pair kernel, Pair stride, Padding padding) {
      Pool2dOptions options;
      options.kernel = kernel;
      options.stride = stride;
      options.padding = padding;
      return options;
    };
    return std::vector<std::pair<Shape, Pool2dOptions>>{
        {{2, 3, 4, 6}, pool(2, 0, 0)},
        {{1, 2, 5, 7}, pool(Pair(3, 2), Pair(2, 1), Padding(1, 0))},
        {{3, 1, 5, 5}, pool(3, 2, 1)},
        {{2, 4, 3, 3}, pool(1, 1, 0)},
        {{1, 5, 4, 7}, pool(Pair(2, 3), Pair(1, 3), Padding(0, 1, 1, 0))},
    };
  }();
  for (const auto& [shape, options] : cases) {
    MaxPool2d largest(options);
    check(largest, shape, rng);
    AvgPool2d mean(options);
    check(mean, shape, rng);
    GlobalAvgPool global;
    check(global, shape, rng);
    Flatten flatten;
    check(flatten, shape, rng);
  }
}

TEST(LayerGradients, Activations) {
  std::vector<std::unique_ptr<Module>> layers;
  layers.push_back(std::make_unique<ReLU>());
  layers.push_back(std::make_unique<LeakyReLU>(0.1));
  layers.push_back(std::make_unique<GELU>());
  layers.push_back(std::make_unique<SiLU>());
  layers.push_back(std::make_unique<Sigmoid>());
  layers.push_back(std::make_unique<Tanh>());
  layers.push_back(std::make_unique<Softplus>());
  layers.push_back(std::make_unique<Softmax>(-1));
  layers.push_back(std::make_unique<Softmax>(0));
  Generator rng(8);
  for (const auto& layer : layers)
    for (const Shape& shape :
         {Shape{7}, Shape{1}, Shape{3, 4}, Shape{2, 3, 5}, Shape{2, 3, 2, 4}})
      check(*layer, shape, rng);
}

}  // namespace
}  // namespace mjolnir
