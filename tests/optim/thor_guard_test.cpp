// What Thor refuses, reports, or treats as first-order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/layers/conv2d.h>
#include <mjolnir/optim/sgd.h>

#include "tests/curvature/listener.h"
#include "tests/optim/thor_data.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;
using ::testing::HasSubstr;

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Thor, AnOverflowingStepLeavesTheTensorAlone) {
  const auto net = make_net(DType::F32);
  ThorOptions options = small_options();
  options.learning_rate = 1e30;
  options.weight_decay = 0.0;
  Thor thor(*net, options);
  const Data data = random_data(4, 3, DType::F32);
  thor.zero_grad();
  (cross_entropy((*net)(data.x), data.y) * 1.0).backward();
  const Tensor huge = Tensor::full({3}, 1e30);
  net->fc.bias.set_grad(huge);
  const auto bias = net->fc.bias.to_vector<float>();
  Listener listener;
  thor.step();
  EXPECT_EQ(net->fc.bias.to_vector<float>(), bias);
  for (const double v : weights_of(*net)) EXPECT_TRUE(std::isfinite(v));
  const auto said = [](const Event& e) {
    return e.message.find("fc.bias") != std::string::npos;
  };
  EXPECT_EQ(std::count_if(listener.events.begin(), listener.events.end(), said),
            1);
}

// Fault 38 with curvature: the inverses stay too.
TEST(Thor, ANonFiniteGradientTouchesNothing) {
  const auto net = make_net();
  ThorOptions options = small_options();
  options.frequency = 1;
  Thor thor(*net, options);
  train(*net, thor, 1);
  const Doubles before = weights_of(*net);
  const Doubles inverse = thor.inverse_a("conv2").to_vector<double>();
  const Data data = random_data(4, 9);
  thor.zero_grad();
  cross_entropy((*net)(data.x), data.y).backward();
  net->conv2.weight.grad().mutable_data<double>()[3] =
      std::numeric_limits<double>::infinity();
  EXPECT_THAT(message_of([&] { thor.step(); }),
              HasSubstr("[thor] the gradient of conv2.weight is not finite"));
  EXPECT_EQ(weights_of(*net), before);
  EXPECT_EQ(thor.inverse_a("conv2").to_vector<double>(), inverse);
  EXPECT_EQ(thor.steps(), 1);
}

TEST(Thor, AGradientWithoutFactorsIsANamedError) {
  const auto net = make_net();
  Thor thor(*net, small_options());
  const Data data = random_data(4, 9);
  const Tensor loss = cross_entropy((*net)(data.x), data.y);
  const auto gradients = grad({loss}, net->parameters());
  std::size_t i = 0;
  for (const Tensor& p : net->parameters()) p.set_grad(gradients[i++]);
  EXPECT_THAT(message_of([&] { thor.step(); }),
              HasSubstr("layer conv1 has a gradient but no factors"));
}

// All due layers are checked before one of them takes its sums.
TEST(Thor, SumsThatDoNotMatchTouchNothing) {
  const auto net = make_net();
  const auto twin = make_net();
  ThorOptions options = small_options();
  options.frequency = 1;
  options.running_average = 0.5;
  Thor thor(*net, options);
  Thor other(*twin, options);
  train(*net, thor, 1);
  train(*twin, other, 1);
  const Data data = random_data(4, 9);
  thor.zero_grad();
  cross_entropy((*net)(data.x), data.y).backward();
  net->fc.save_gradient(Tensor::ones({2, 3}, {DType::F64}));
  const Doubles before = weights_of(*net);
  EXPECT_THAT(message_of([&] { thor.step(); }),
              HasSubstr("layer fc has 4 positions in A and 6 in G"));
  EXPECT_EQ(weights_of(*net), before);
  EXPECT_EQ(thor.steps(), 1);
  train(*net, thor, 1);
  train(*twin, other, 1);
  EXPECT_EQ(weights_of(*net), weights_of(*twin));
}

TEST(Thor, GradientsByHandWithoutInputsAreANamedError) {
  Generator rng(3);
  DenseThor layer(ThorNet::last(DType::F64), rng);
  Thor thor(layer, small_options());
  thor.zero_grad();
  layer.save_gradient(Tensor::ones({2, 3}, {DType::F64}));
  layer.weight.set_grad(Tensor::ones({3, 5}, {DType::F64}));
  EXPECT_THAT(message_of([&] { thor.step(); }),
              HasSubstr("the root layer has 0 positions in A and 2 in G"));
}

TEST(Thor, AnEmptyBatchIsANamedError) {
  const auto net = make_net();
  Thor thor(*net, small_options());
  thor.zero_grad();
  sum((*net)(Tensor::zeros({0, 3, 5, 6}, {DType::F64}))).backward();
  EXPECT_THAT(message_of([&] { thor.step(); }),
              HasSubstr("a batch that is not empty"));
  // an empty part of a batch adds nothing
  thor.zero_grad();
  sum((*net)(Tensor::zeros({0, 3, 5, 6}, {DType::F64}))).backward();
  const Data data = random_data(4, 9);
  cross_entropy((*net)(data.x), data.y).backward();
  thor.step();
  EXPECT_EQ(thor.curvature()[0].positions, 30.0);
}

TEST(Thor, AReplacedParameterIsANamedErrorWithGroupsToo) {
  const auto net = make_net();
  ParameterGroup group;
  group.parameters = {{"mine", net->fc.weight}};
  Thor thor(*net, {group}, small_options());
  train(*net, thor, 1);
  net->fc.weight = Tensor::ones({3, 5}, {DType::F64});
  net->fc.weight.set_requires_grad(true);
  EXPECT_THAT(message_of([&] { train(*net, thor, 1); }),
              HasSubstr("parameter mine of shape (3,5) was replaced by one of "
                        "shape (3,5)"));
}

TEST(Thor, RefusesGroupsOutsideTheirDomain) {
  const auto net = make_net();
  ParameterGroup group;
  group.parameters = net->named_parameters();
  for (const double bad :
       {std::nan(""), -1e-9, std::numeric_limits<double>::infinity()}) {
    group.learning_rate = 0.1;
    group.weight_decay = bad;
    EXPECT_THAT(message_of([&] { Thor(*net, {group}); }),
                HasSubstr("weight_decay of a group"));
    group.weight_decay = 0.1;
    group.learning_rate = bad;
    EXPECT_THAT(message_of([&] { Thor(*net, {group}); }),
                HasSubstr("learning rate"));
  }
  group.learning_rate = [](long step) { return step == 0 ? 0.1 : -0.1; };
  Thor thor(*net, {group}, small_options());
  train(*net, thor, 1);
  const Doubles before = weights_of(*net);
  EXPECT_THAT(message_of([&] { train(*net, thor, 1); }),
              HasSubstr("at step 1, got -0.1"));
  EXPECT_EQ(weights_of(*net), before);
}

TEST(Thor, GivenInversesNeedPositions) {
  const auto net = make_net();
  Thor thor(*net, small_options());
  const Tensor a = Tensor::ones({5, 5}, {DType::F64});
  const Tensor g = Tensor::ones({3, 3}, {DType::F64});
  EXPECT_THAT(message_of([&] { thor.set_inverses("fc", a, g, 0.0); }),
              HasSubstr("positions (T) above 0 and finite, got 0"));
}

struct Mixed : Module {
  explicit Mixed(Generator& rng)
      : grouped(grouped_options(), rng), plain(plain_options(), rng) {
    add("grouped", grouped);
    add("plain", plain);
  }
  Tensor operator()(const Tensor& x) override { return plain(grouped(x)); }
  static Conv2dOptions grouped_options() {
    Conv2dOptions o;
    o.in = 4;
    o.out = 6;
    o.groups = 2;
    return o;
  }
  static Conv2dOptions plain_options() {
    Conv2dOptions o;
    o.in = 6;
    o.out = 2;
    o.kernel = 1;
    return o;
  }
  Conv2d grouped;
  Conv2d plain;
};

TEST(Thor, DormantLayersFollowPlainMomentum) {
  const auto make = [] {
    Generator rng(4);
    return std::make_unique<Mixed>(rng);
  };
  const auto net = make();
  const auto twin = make();
  Listener listener;
  ThorOptions options;
  options.learning_rate = 0.1;
  Thor thor(*net, options);
  ASSERT_EQ(listener.events.size(), 1U);
  EXPECT_EQ(listener.events[0].topic, "thor");
  EXPECT_EQ(listener.events[0].severity, Severity::Warning);
  EXPECT_THAT(listener.events[0].message, HasSubstr("no layer has factors"));
  SgdOptions sgd_options;
  sgd_options.learning_rate = 0.1;
  sgd_options.momentum = 0.9;
  Sgd sgd(*twin, sgd_options);
  Generator rng(8);
  const Tensor x = normal({2, 4, 5, 7}, 0, 1, rng);
  for (int step = 0; step < 4; ++step) {
    const auto one = [&x](Mixed& m, Optimizer& optimizer) {
      optimizer.zero_grad();
      const Tensor y = m(x);
      mean(y * y).backward();
      optimizer.step();
    };
    one(*net, thor);
    one(*twin, sgd);
  }
  EXPECT_EQ(weights_of(*net), weights_of(*twin));
  EXPECT_TRUE(thor.curvature().empty());
}

TEST(Thor, GroupsOfParametersLimitWhatMoves) {
  const auto net = make_net();
  const Doubles fc = net->fc.weight.to_vector<double>();
  ParameterGroup group;
  group.parameters = {{"conv1.weight", net->conv1.weight},
                      {"conv2.weight", net->conv2.weight}};
  group.learning_rate = 0.0;
  ParameterGroup moving;
  moving.parameters = {{"conv1.bias", net->conv1.bias}};
  const Doubles conv = net->conv1.weight.to_vector<double>();
  const Doubles bias = net->conv1.bias.to_vector<double>();
  Thor thor(*net, {group, moving}, small_options());
  train(*net, thor, 2);
  EXPECT_EQ(thor.curvature().size(), 2U);
  EXPECT_EQ(net->fc.weight.to_vector<double>(), fc);
  EXPECT_EQ(net->conv1.weight.to_vector<double>(), conv);
  EXPECT_NE(net->conv1.bias.to_vector<double>(), bias);
  EXPECT_EQ(net->fc.factors()->collects(), Collect::Nothing);
}

// Fault 47.
TEST(Thor, RefusesHyperParametersOutsideTheirDomain) {
  const auto net = make_net();
  const auto refused = [&](const std::function<void(ThorOptions&)>& change) {
    ThorOptions options;
    change(options);
    EXPECT_THROW(Thor(*net, options), ValueError);
  };
  for (const double bad :
       {std::nan(""), -0.1, std::numeric_limits<double>::infinity()}) {
    refused([&](ThorOptions& o) { o.learning_rate = bad; });
    refused([&](ThorOptions& o) { o.damping = bad; });
    refused([&](ThorOptions& o) { o.momentum = bad; });
    refused([&](ThorOptions& o) { o.weight_decay = bad; });
    refused([&](ThorOptions& o) { o.loss_scale = bad; });
    refused([&](ThorOptions& o) { o.running_average = bad; });
    refused([&](ThorOptions& o) { o.kl_clip = bad; });
  }
  refused([](ThorOptions& o) { o.momentum = 1.0; });
  refused([](ThorOptions& o) { o.running_average = 1.0; });
  refused([](ThorOptions& o) { o.loss_scale = 0.0; });
  refused([](ThorOptions& o) { o.frequency = 0; });
  refused([](ThorOptions& o) { o.frequency = -1; });
  refused([](ThorOptions& o) { o.split_dim = -1; });
  ThorOptions zeros;
  zeros.learning_rate = 0.0;
  zeros.damping = 0.0;
  zeros.frequency = 1;
  EXPECT_NO_THROW(Thor(*net, zeros));
}

// Damping 0 with more columns than samples: the ladder, not an exception.
TEST(Thor, WithoutDampingTheFloorAndTheLadderCarryOn) {
  const auto net = make_net();
  ThorOptions options = small_options();
  options.damping = 0.0;
  options.learning_rate = 1e-6;
  Thor thor(*net, options);
  train(*net, thor, 4);
  for (const double v : weights_of(*net)) EXPECT_TRUE(std::isfinite(v));
  for (const LayerCurvature& layer : thor.curvature()) {
    EXPECT_NE(layer.preconditioner, Preconditioner::None) << layer.name;
  }
}

TEST(Thor, UnknownLayersAreNamed) {
  const auto net = make_net();
  Thor thor(*net, small_options());
  EXPECT_THAT(message_of([&] { thor.inverse_g("conv9"); }),
              HasSubstr("no layer named conv9"));
  EXPECT_FALSE(thor.inverse_g("conv1").defined());
}

}  // namespace
}  // namespace mjolnir::optim
