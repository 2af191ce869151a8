// The edges of every layer: sizes that overflow, other dtypes, empty batches,
// ranks it is not made for.
#include <gmock/gmock.h>

#include <functional>
#include <limits>
#include <memory>

#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/layers/activations.h>
#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/dropout.h>
#include <mjolnir/layers/embedding.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/layer_norm.h>
#include <mjolnir/layers/pool.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::message_of;

constexpr std::int64_t huge = std::int64_t{1} << 62;

template <class M, class Options, class Change>
std::unique_ptr<Module> made(Options options, Change change) {
  Generator rng(1);
  change(options);
  if constexpr (std::is_constructible_v<M, Options, Generator&>)
    return std::make_unique<M>(options, rng);
  else
    return std::make_unique<M>(options);
}

/** The text of the Error that making the layer throws, of any kind of ours. */
template <class M, class Options, class Change>
std::string refused(const Options& options, Change change) {
  return message_of<Error>([&] { made<M>(options, change); });
}

Conv2dOptions conv() {
  Conv2dOptions options;
  options.in = 2;
  options.out = 3;
  return options;
}

Conv2dThorOptions conv_thor() {
  Conv2dThorOptions options;
  options.in_channels = 2;
  options.out_channels = 4;
  options.kernel_size = 3;
  return options;
}

DenseOptions dense() {
  DenseOptions options;
  options.in = 3;
  options.out = 2;
  return options;
}

DenseThorOptions dense_thor() {
  DenseThorOptions options;
  options.in_channels = 3;
  options.out_channels = 2;
  return options;
}

EmbeddingOptions embedding() {
  EmbeddingOptions options;
  options.count = 3;
  options.size = 2;
  return options;
}

BatchNorm2dOptions batch_norm() {
  BatchNorm2dOptions options;
  options.channels = 3;
  return options;
}

LayerNormOptions layer_norm(std::vector<std::int64_t> shape) {
  LayerNormOptions options;
  options.shape = std::move(shape);
  return options;
}

TEST(LayerLimits, ShapesThatOverflowAreErrors) {
  EXPECT_NE(refused<Conv2d>(conv(), [](auto& o) { o.in = o.out = huge; }), "");
  EXPECT_NE(refused<Conv2d>(conv(), [](auto& o) { o.out = huge; }), "");
  EXPECT_NE(
      refused<Conv2dThor>(conv_thor(), [](auto& o) { o.out_channels = huge; }),
      "");
  EXPECT_NE(refused<Dense>(dense(), [](auto& o) { o.in = o.out = huge; }), "");
  EXPECT_NE(refused<Dense>(dense(), [](auto& o) { o.in = huge; }), "");
  EXPECT_NE(
      refused<DenseThor>(
          dense_thor(), [](auto& o) { o.in_channels = o.out_channels = huge; }),
      "");
  EXPECT_NE(
      refused<Embedding>(embedding(), [](auto& o) { o.count = o.size = huge; }),
      "");
  EXPECT_NE(refused<Embedding>(embedding(), [](auto& o) { o.count = huge; }),
            "");
  EXPECT_NE(
      refused<BatchNorm2d>(batch_norm(), [](auto& o) { o.channels = huge; }),
      "");
  EXPECT_NE(refused<LayerNorm>(layer_norm({huge, huge}), [](auto&) {}), "");
  EXPECT_NE(refused<LayerNorm>(layer_norm({huge}), [](auto&) {}), "");
}

TEST(LayerLimits, WindowsThatOverflowAreErrorsThatNameTheArgument) {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t size : {(std::int64_t{1} << 20) + 1, huge, most}) {
    const std::string text = std::to_string(size);
    EXPECT_THAT(
        refused<Conv2d>(conv(), [&](auto& o) { o.kernel = Pair(1, size); }),
        AllOf(HasSubstr("[Conv2d] expected kernel"), HasSubstr(text)));
    EXPECT_THAT(
        refused<Conv2d>(conv(), [&](auto& o) { o.stride = Pair(size, 1); }),
        AllOf(HasSubstr("stride"), HasSubstr(text)));
    EXPECT_THAT(refused<Conv2d>(conv(), [&](auto& o) { o.dilation = size; }),
                AllOf(HasSubstr("dilation"), HasSubstr(text)));
    EXPECT_THAT(refused<Conv2d>(conv(), [&](auto& o) { o.padding = size; }),
                AllOf(HasSubstr("padding"), HasSubstr(text)));
    EXPECT_THAT(refused<Conv2dThor>(conv_thor(),
                                    [&](auto& o) { o.kernel_size = size; }),
                HasSubstr("[Conv2dThor] expected kernel_size"));
    EXPECT_THAT(
        refused<Conv2dThor>(conv_thor(), [&](auto& o) { o.dilation = size; }),
        HasSubstr("[Conv2dThor] expected dilation"));
    EXPECT_THAT(refused<Conv2dThor>(conv_thor(),
                                    [&](auto& o) {
                                      o.pad_mode = PadMode::Pad;
                                      o.padding = size;
                                    }),
                HasSubstr("[Conv2dThor] expected padding"));
    EXPECT_THAT(
        refused<MaxPool2d>(Pool2dOptions(), [&](auto& o) { o.kernel = size; }),
        AllOf(HasSubstr("[MaxPool2d]"), HasSubstr("kernel")));
    EXPECT_THAT(
        refused<AvgPool2d>(Pool2dOptions(), [&](auto& o) { o.padding = size; }),
        AllOf(HasSubstr("[AvgPool2d]"), HasSubstr("padding")));
  }
  // The largest that is allowed is too large for any image, without overflow.
  Generator rng(1);
  Conv2dOptions wide = conv();
  wide.dilation = std::int64_t{1} << 20;
  Conv2d layer(wide, rng);
  EXPECT_THROW(layer(Tensor::zeros({1, 2, 5, 5})), ShapeError);
}

TEST(LayerLimits, OtherDtypesAreRefusedByName) {
  const auto integers = [](auto& o) { o.dtype = DType::I64; };
  const char* expected = "expected dtype f32 or f64, got i64";
  const auto check = [&](const std::string& text, const char* layer) {
    EXPECT_EQ(text, "[" + std::string(layer) + "] " + expected);
  };
  check(refused<Conv2d>(conv(), integers), "Conv2d");
  check(refused<Conv2dThor>(conv_thor(), integers), "Conv2dThor");
  check(refused<Dense>(dense(), integers), "Dense");
  check(refused<DenseThor>(dense_thor(), integers), "DenseThor");
  check(refused<Embedding>(embedding(), integers), "Embedding");
  check(refused<BatchNorm2d>(batch_norm(), integers), "BatchNorm2d");
  check(refused<LayerNorm>(layer_norm({3}), integers), "LayerNorm");
}

TEST(LayerLimits, WhatUpstreamHasNoDefaultForMustBeGiven) {
  Conv2dThorOptions options;
  options.in_channels = 2;
  options.out_channels = 4;
  EXPECT_THAT(refused<Conv2dThor>(options, [](auto&) {}),
              HasSubstr("[Conv2dThor] expected kernel_size >= 1, got 0"));
  EXPECT_THAT(message_of<ValueError>([&] {
                options.weight_init = static_cast<const char*>(nullptr);
              }),
              HasSubstr("null"));
  EXPECT_THAT(message_of<ValueError>([&] {
                options.pad_mode = static_cast<const char*>(nullptr);
              }),
              HasSubstr("[Conv2dThor] expected pad_mode"));
}

TEST(LayerLimits, TextsShowSmallNumbers) {
  EXPECT_THAT(
      refused<BatchNorm2d>(batch_norm(), [](auto& o) { o.epsilon = -1e-9; }),
      HasSubstr("got -1e-09"));
  EXPECT_THAT(
      refused<LayerNorm>(layer_norm({3}), [](auto& o) { o.epsilon = -1e-12; }),
      HasSubstr("got -1e-12"));
  EXPECT_THAT(refused<Dropout>(DropoutOptions(), [](auto& o) { o.p = -1e-8; }),
              HasSubstr("got -1e-08"));
}

/** A layer and what it does to inputs that are unusual. */
struct Edge {
  std::unique_ptr<Module> layer;
  Shape empty;   ///< An input of no samples,
  Shape result;  ///< and its result.
  std::vector<Shape> wrong;
  bool ids = false;
};

std::vector<Edge> edges() {
  const auto nothing = [](auto&) {};
  const Shape image{0, 2, 5, 6};
  const std::vector<Shape> no_image{
      {}, {2}, {2, 5}, {2, 5, 6}, {1, 1, 2, 5, 6}};
  std::vector<Edge> all;
  const auto add = [&](std::unique_ptr<Module> layer, const Shape& empty,
                       const Shape& result, const std::vector<Shape>& wrong,
                       bool ids = false) {
    all.push_back({std::move(layer), empty, result, wrong, ids});
  };
  add(made<Conv2d>(conv(), nothing), image, {0, 3, 3, 4}, no_image);
  add(made<Conv2dThor>(conv_thor(), nothing), image, {0, 4, 5, 6}, no_image);
  add(made<Dense>(dense(), nothing), {0, 3}, {0, 2}, {{}, {2}, {3, 2}});
  add(made<DenseThor>(dense_thor(), nothing), {0, 4, 3}, {0, 4, 2},
      {{}, {4}, {3, 4}});
  add(made<Embedding>(embedding(), nothing), {0, 4}, {0, 4, 2}, {}, true);
  add(made<LayerNorm>(layer_norm({3, 2}), nothing), {0, 3, 2}, {0, 3, 2},
      {{}, {2}, {2, 3}});
  add(made<MaxPool2d>(Pool2dOptions(), nothing), image, {0, 2, 2, 3}, no_image);
  add(made<AvgPool2d>(Pool2dOptions(), nothing), image, {0, 2, 2, 3}, no_image);
  add(std::make_unique<GlobalAvgPool>(), image, {0, 2}, {{}, {2}, {2, 5}});
  add(made<Dropout>(DropoutOptions(), nothing), {0, 3}, {0, 3}, {});
  add(std::make_unique<Flatten>(), {0, 3, 2}, {0, 6}, {});
  add(std::make_unique<Softmax>(1), {0, 3}, {0, 3}, {{}, {3}});
  add(std::make_unique<ReLU>(), {0, 3}, {0, 3}, {});
  add(std::make_unique<LeakyReLU>(), {0, 3}, {0, 3}, {});
  add(std::make_unique<GELU>(), {0, 3}, {0, 3}, {});
  add(std::make_unique<SiLU>(), {0, 3}, {0, 3}, {});
  add(std::make_unique<Sigmoid>(), {0, 3}, {0, 3}, {});
  add(std::make_unique<Tanh>(), {0, 3}, {0, 3}, {});
  add(std::make_unique<Softplus>(), {0, 3}, {0, 3}, {});
  add(std::make_unique<Identity>(), {0, 3}, {0, 3}, {});
  return all;
}

TEST(LayerLimits, AnEmptyBatchGivesAnEmptyResultAndZeroGradients) {
  for (const Edge& edge : edges()) {
    const std::string what = edge.layer->describe();
    const Tensor x = Tensor::zeros(
        edge.empty, {edge.ids ? DType::I64 : DType::F32, Layout::RowMajor});
    if (!edge.ids) x.set_requires_grad(true);
    const Tensor y = (*edge.layer)(x);
    EXPECT_EQ(y.shape(), edge.result) << what;
    sum(y).backward();
    for (const auto& [name, parameter] : edge.layer->named_parameters()) {
      ASSERT_TRUE(parameter.grad().defined()) << what << " " << name;
      for (const double g : testing::values_of(parameter.grad()))
        EXPECT_EQ(g, 0) << what << " " << name;
    }
  }
}

TEST(LayerLimits, AnEmptyBatchHasNoStatistics) {
  BatchNorm2d norm(batch_norm());
  const Tensor before = norm.running_var.clone();
  EXPECT_THROW(norm(Tensor::zeros({0, 3, 2, 2})), ValueError);
  EXPECT_TRUE(testing::bit_equal(norm.running_var, before));
  norm.eval();
  EXPECT_EQ(norm(Tensor::zeros({0, 3, 2, 2})).shape(), (Shape{0, 3, 2, 2}));
  EXPECT_THROW(norm(Tensor::zeros({3})), Error);
  EXPECT_THROW(norm(Tensor::zeros({2, 3, 2})), Error);
}

TEST(LayerLimits, AnInputOfTheWrongRankIsAnError) {
  for (const Edge& edge : edges())
    for (const Shape& shape : edge.wrong)
      EXPECT_THROW((*edge.layer)(Tensor::zeros(shape)), Error)
          << edge.layer->describe() << " " << shape.str();
}

TEST(LayerLimits, AnEmptyBatchHasNoFactors) {
  Generator rng(1);
  Conv2dThor conv(conv_thor(), rng);
  DenseThor fc(dense_thor(), rng);
  const auto check = [](auto& layer, const Shape& shape) {
    sum(layer(Tensor::zeros(shape))).backward();
    const FactorSums& sums = layer.factors()->sums();
    EXPECT_EQ(sums.positions_per_sample, 0);
    EXPECT_TRUE(layer.factors()->is_empty());
    for (const bool a : {true, false})
      EXPECT_THAT(message_of<ValueError>(
                      [&] { a ? layer.matrix_a() : layer.matrix_g(); }),
                  HasSubstr("on a batch that is not empty"));
  };
  check(conv, {0, 2, 5, 5});
  check(fc, {0, 3});
}

}  // namespace
}  // namespace mjolnir
