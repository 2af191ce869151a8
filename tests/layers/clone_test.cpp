// What a clone takes along, and what a clone that was not written refuses.
#include <gmock/gmock.h>

#include <memory>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/layers/activations.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/embedding.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/sequential.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

Conv2dOptions conv_options(std::int64_t groups = 1) {
  Conv2dOptions options;
  options.in = 2;
  options.out = 4;
  options.groups = groups;
  return options;
}

DenseOptions dense_options() {
  DenseOptions options;
  options.in = 3;
  options.out = 2;
  return options;
}

EmbeddingOptions embedding_options() {
  EmbeddingOptions options;
  options.count = 3;
  options.size = 2;
  return options;
}

TEST(Clone, HasFactorsWhereTheSourceHasThem) {
  Generator rng(1);
  Sequential net;
  net.emplace<Conv2d>(conv_options(), rng);
  net.emplace<Conv2d>(conv_options(2), rng);
  net.emplace<Dense>(dense_options(), rng);
  net.emplace<Dense>(dense_options(), rng);
  net.emplace<Embedding>(embedding_options(), rng);
  for (const std::size_t i : {0, 2, 4})
    dynamic_cast<CurvatureSource&>(net[i]).enable_factors();
  const std::unique_ptr<Module> copy = net.clone();
  for (std::size_t i = 0; i < net.size(); ++i) {
    const auto& from = dynamic_cast<const CurvatureSource&>(net[i]);
    const auto& to =
        dynamic_cast<const CurvatureSource&>(*copy->children()[i].second);
    EXPECT_EQ(bool(to.factors()), bool(from.factors())) << i;
    if (!to.factors()) continue;
    EXPECT_NE(to.factors(), from.factors());
    EXPECT_EQ(to.factors()->collects(), Collect::Nothing);
  }
}

/** Counts the calls of on_mode_change(). */
struct Modal : Module {
  int calls = 0;
  bool mode = true;
  void on_mode_change() override {
    ++calls;
    mode = training();
  }
  std::unique_ptr<Module> clone() const override {
    auto copy = std::make_unique<Modal>();
    copy->copy_from(*this);
    return copy;
  }
};

TEST(Clone, IsToldItsMode) {
  Sequential net;
  net.emplace<Modal>();
  net.eval();
  const std::unique_ptr<Module> copy = net.clone();
  const auto& modal = dynamic_cast<Modal&>(*copy->children()[0].second);
  EXPECT_FALSE(modal.training());
  EXPECT_FALSE(modal.mode);
  EXPECT_GE(modal.calls, 1);
}

/** A layer that doubles its result, and inherits clone(). */
struct Doubled : Conv2d {
  using Conv2d::Conv2d;
  Tensor operator()(const Tensor& x) override {
    const Tensor y = Conv2d::operator()(x);
    return y + y;
  }
};
struct DoubledDense : Dense {
  using Dense::Dense;
};

TEST(Clone, OfASubclassThatInheritsItIsRefused) {
  Generator rng(2);
  Doubled conv(conv_options(), rng);
  EXPECT_THAT(message_of<ValueError>([&] { conv.clone(); }),
              HasSubstr("[Doubled] copy_from: it became a plain Conv2d; "
                        "override clone()"));
  Sequential net;
  net.emplace<ReLU>();
  net.emplace<DoubledDense>(dense_options(), rng);
  EXPECT_THAT(message_of<ValueError>([&] { net.clone(); }),
              HasSubstr("[DoubledDense]"));
}

// The initial tensor is copied: nothing keeps it alive.
TEST(Clone, NoLayerHoldsTheTensorItStartedFrom) {
  Generator rng(3);
  Conv2dThorOptions conv;
  conv.in_channels = 2;
  conv.out_channels = 3;
  conv.kernel_size = 1;
  conv.has_bias = true;
  const Tensor weight = Tensor::ones({3, 2, 1, 1});
  const Tensor bias = Tensor::ones({3});
  conv.weight_init = weight;
  conv.bias_init = bias;
  Conv2dThor first(conv, rng);
  DenseThorOptions dense;
  dense.in_channels = 2;
  dense.out_channels = 3;
  dense.bias_init = bias;
  DenseThor second(dense, rng);
  const std::unique_ptr<Module> copy = first.clone();
  EXPECT_TRUE(testing::bit_equal(first.weight, weight));
  EXPECT_TRUE(testing::bit_equal(copy->parameters()[0], weight));
  conv = Conv2dThorOptions();
  dense = DenseThorOptions();
  EXPECT_EQ(weight.impl().use_count(), 1);
  EXPECT_EQ(bias.impl().use_count(), 1);
}

}  // namespace
}  // namespace mjolnir
