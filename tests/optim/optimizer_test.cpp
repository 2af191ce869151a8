#include <mjolnir/optim/optimizer.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/optim/adamw.h>
#include <mjolnir/optim/sgd.h>

namespace mjolnir::optim {
namespace {

using ::testing::HasSubstr;
using Floats = std::vector<float>;

/** Three parameters and no forward pass: gradients are set by hand. */
struct Bag : Module {
  Tensor weight = Tensor::full({2, 3}, 1.0);
  Tensor bias = Tensor::full({4}, 2.0);
  Tensor image =
      Tensor::full({2, 3, 1, 2}, 3.0, {DType::F32, Layout::ChannelsLast});
  Bag() {
    for (const Tensor& t : {weight, bias, image}) t.set_requires_grad(true);
    add("weight", weight);
    add("bias", bias);
    add("image", image);
  }
};

SgdOptions plain(double rate) {
  SgdOptions options;
  options.learning_rate = rate;
  return options;
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Optimizer, ListsTheModulesParametersByName) {
  Bag bag;
  const Sgd sgd(bag, plain(0.1));
  const auto named = sgd.named_parameters();
  ASSERT_EQ(named.size(), 3U);
  EXPECT_EQ(named[0].first, "weight");
  EXPECT_EQ(named[2].first, "image");
}

/** One child under two names. */
struct Twice : Module {
  Bag bag;
  Twice() {
    add("first", bag);
    add("second", bag);
  }
};

// Fault 60: one state, no double step.
TEST(Optimizer, MovesAParameterOfTwoNamesOnce) {
  Twice twice;
  Sgd sgd(twice, plain(0.5));
  EXPECT_EQ(sgd.named_parameters().size(), 3U);
  twice.bag.bias.set_grad(Tensor::ones({4}));
  sgd.step();
  EXPECT_EQ(twice.bag.bias.to_vector<float>(), Floats(4, 1.5F));
}

TEST(Optimizer, SkipsAParameterWithoutGradient) {
  Bag bag;
  Sgd sgd(bag, plain(0.5));
  bag.bias.set_grad(Tensor::full({4}, 2.0));
  sgd.step();
  EXPECT_EQ(bag.weight.to_vector<float>(), Floats(6, 1.0F));
  EXPECT_EQ(bag.bias.to_vector<float>(), Floats(4, 1.0F));
  EXPECT_EQ(sgd.steps(), 1);
}

TEST(Optimizer, FollowsAGradientInAnotherLayout) {
  Bag bag;
  Sgd sgd(bag, plain(1.0));
  const Tensor gradient =
      Tensor::from<float>({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {2, 3, 1, 2});
  bag.image.set_grad(gradient);
  sgd.step();
  EXPECT_EQ(bag.image.to_vector<float>(),
            (Floats{3, 2, 1, 0, -1, -2, -3, -4, -5, -6, -7, -8}));
}

TEST(Optimizer, ZeroGradForgetsGradients) {
  Bag bag;
  Sgd sgd(bag, plain(0.5));
  bag.bias.set_grad(Tensor::ones({4}));
  sgd.zero_grad();
  EXPECT_FALSE(bag.bias.grad().defined());
}

// Fault 59.
TEST(Optimizer, AStepWithoutAnyGradientIsANamedError) {
  Bag bag;
  Sgd sgd(bag, plain(0.5));
  EXPECT_THAT(message_of([&] { sgd.step(); }),
              HasSubstr("[sgd] no parameter has a gradient"));
  EXPECT_EQ(sgd.steps(), 0);
}

// Fault 38: the layer is named; parameters and state are untouched.
TEST(Optimizer, ANonFiniteGradientIsNamedBeforeAnythingChanges) {
  for (const float poison : {std::numeric_limits<float>::quiet_NaN(),
                             -std::numeric_limits<float>::infinity()}) {
    Bag bag;
    Bag control;
    SgdOptions options = plain(0.5);
    options.momentum = 0.9;
    Sgd sgd(bag, options);
    Sgd control_sgd(control, options);
    const auto good = [](Bag& b, Sgd& optimizer) {
      b.weight.set_grad(Tensor::full({2, 3}, 0.25));
      b.bias.set_grad(Tensor::full({4}, 0.5));
      optimizer.step();
    };
    good(bag, sgd);
    good(control, control_sgd);
    bag.bias.set_grad(Tensor::from<float>({0, 0, poison, 0}, {4}));
    const std::string text = message_of([&] { sgd.step(); });
    EXPECT_THAT(text, HasSubstr("gradient of bias is not finite at step 1"));
    EXPECT_THROW(sgd.step(), NumericalError);
    EXPECT_EQ(sgd.steps(), 1);
    good(bag, sgd);
    good(control, control_sgd);
    EXPECT_EQ(bag.weight.to_vector<float>(), control.weight.to_vector<float>());
    EXPECT_EQ(bag.bias.to_vector<float>(), control.bias.to_vector<float>());
  }
}

// Fault 61.
TEST(Optimizer, RefusesListsItCannotWorkWith) {
  const Tensor w = Tensor::ones({2});
  ParameterGroup group;
  EXPECT_THAT(message_of([&] { Sgd sgd(std::vector<ParameterGroup>{}); }),
              HasSubstr("no parameters"));
  EXPECT_THAT(message_of([&] { Sgd sgd({group}); }),
              HasSubstr("no parameters"));
  group.parameters = {{"a", w}, {"b", w}};
  EXPECT_THAT(message_of([&] { Sgd sgd({group}); }),
              HasSubstr("parameter b was given twice, the first time as a"));
  ParameterGroup other;
  group.parameters = {{"a", w}};
  other.parameters = {{"c", w}};
  EXPECT_THAT(message_of([&] {
                Sgd sgd({group, other});
              }),
              HasSubstr("parameter c was given twice, the first time as a"));
  group.parameters = {{"a", Tensor()}};
  EXPECT_THAT(message_of([&] { Sgd sgd({group}); }), HasSubstr("undefined"));
  group.parameters = {
      {"ids", Tensor::ones({2}, {DType::I64, Layout::RowMajor})}};
  EXPECT_THAT(message_of([&] { Sgd sgd({group}); }), HasSubstr("ids is i64"));
}

TEST(Optimizer, RefusesAModuleWithoutParameters) {
  const Module empty;
  EXPECT_THAT(message_of([&] { Sgd sgd(empty); }), HasSubstr("no parameters"));
}

// Fault 61: a parameter replaced by one of another size after registration.
TEST(Optimizer, AReplacedParameterIsANamedError) {
  Bag bag;
  Sgd sgd(bag, plain(0.5));
  bag.bias = Tensor::ones({7});
  bag.bias.set_requires_grad(true).set_grad(Tensor::ones({7}));
  EXPECT_THAT(message_of([&] { sgd.step(); }),
              HasSubstr("parameter bias of shape (4) was replaced by one of "
                        "shape (7)"));
}

TEST(Optimizer, GroupsHaveTheirOwnRateAndDecay) {
  const Tensor a = Tensor::full({1}, 8.0);
  const Tensor b = Tensor::full({1}, 8.0);
  ParameterGroup first;
  first.parameters = {{"a", a}};
  first.learning_rate = [](long step) { return step == 0 ? 1.0 : 0.0; };
  ParameterGroup second;
  second.parameters = {{"b", b}};
  second.weight_decay = 0.5;
  Sgd sgd({first, second}, plain(0.25));
  for (int step = 0; step < 2; ++step) {
    a.set_grad(Tensor::ones({1}));
    b.set_grad(Tensor::ones({1}));
    sgd.step();
  }
  EXPECT_EQ(a.item(), 7.0);  // 8 - 1*1, then a rate of 0
  // 8 - 0.25 (1 + 4) = 6.75; 6.75 - 0.25 (1 + 3.375) = 5.65625
  EXPECT_EQ(b.item(), 5.65625);
}

TEST(Optimizer, TheDecayFilterDecidesByNameAndTensor) {
  Bag bag;
  SgdOptions options = plain(1.0);
  options.weight_decay = 0.5;
  options.decay_filter = [](const std::string& name, const Tensor& tensor) {
    return name != "weight" && tensor.rank() > 1;
  };
  Sgd sgd(bag, options);
  for (const auto& [name, tensor] : bag.named_parameters()) {
    tensor.set_grad(Tensor::zeros_like(tensor));
  }
  sgd.step();
  EXPECT_EQ(bag.weight.to_vector<float>(), Floats(6, 1.0F));
  EXPECT_EQ(bag.bias.to_vector<float>(), Floats(4, 2.0F));
  EXPECT_EQ(bag.image.to_vector<float>(), Floats(12, 1.5F));
}

TEST(Optimizer, DoesNotWriteGradients) {
  Bag bag;
  SgdOptions options = plain(0.5);
  options.clip = GradientClip::value(0.125);
  options.weight_decay = 0.5;
  Sgd sgd(bag, options);
  bag.bias.set_grad(Tensor::full({4}, 3.0));
  sgd.step();
  EXPECT_EQ(bag.bias.grad().to_vector<float>(), Floats(4, 3.0F));
}

// Fault 47, the part that every optimizer shares.
TEST(Optimizer, RefusesHyperParametersOutsideTheirDomain) {
  Bag bag;
  const double nan = std::nan("");
  const auto refused = [&](const std::function<void(SgdOptions&)>& change) {
    SgdOptions options = plain(0.1);
    options.momentum = 0.9;
    change(options);
    EXPECT_THROW(Sgd(bag, options), ValueError);
  };
  for (const double bad : {nan, -0.1}) {
    refused([&](SgdOptions& o) { o.learning_rate = bad; });
    refused([&](SgdOptions& o) { o.momentum = bad; });
    refused([&](SgdOptions& o) { o.dampening = bad; });
    refused([&](SgdOptions& o) { o.weight_decay = bad; });
    refused([&](SgdOptions& o) { o.clip = GradientClip::norm(bad); });
    AdamWOptions adamw;
    adamw.beta1 = bad;
    EXPECT_THROW(AdamW(bag, adamw), ValueError);
    adamw = {};
    adamw.beta2 = bad;
    EXPECT_THROW(AdamW(bag, adamw), ValueError);
    adamw = {};
    adamw.epsilon = bad;
    EXPECT_THROW(AdamW(bag, adamw), ValueError);
  }
  refused([](SgdOptions& o) { o.momentum = 1.0; });
  refused([](SgdOptions& o) { o.dampening = 1.1; });
  refused([](SgdOptions& o) { o.clip = GradientClip::value(0.0); });
  refused([](SgdOptions& o) {
    o.nesterov = true;
    o.momentum = 0.0;
  });
  refused([](SgdOptions& o) {
    o.nesterov = true;
    o.dampening = 0.1;
  });
  EXPECT_NO_THROW(Sgd(bag, plain(0.0)));
}

TEST(Optimizer, AScheduleThatTurnsBadIsNamedWithItsStep) {
  Bag bag;
  SgdOptions options;
  options.learning_rate = [](long step) { return step < 1 ? 0.5 : -0.5; };
  Sgd sgd(bag, options);
  bag.bias.set_grad(Tensor::ones({4}));
  EXPECT_EQ(sgd.learning_rate(), 0.5);
  sgd.step();
  EXPECT_THAT(message_of([&] { sgd.step(); }), HasSubstr("at step 1"));
  EXPECT_EQ(bag.bias.to_vector<float>(), Floats(4, 1.5F));
}

TEST(Optimizer, TextsShowSmallAndInfiniteNumbers) {
  Bag bag;
  const auto text = [&](const std::function<void(AdamWOptions&)>& change) {
    AdamWOptions options;
    change(options);
    return message_of([&] { AdamW(bag, options); });
  };
  EXPECT_THAT(text([](AdamWOptions& o) { o.weight_decay = -1e-9; }),
              HasSubstr("got -1e-09"));
  EXPECT_THAT(text([](AdamWOptions& o) { o.beta1 = 1.0; }),
              HasSubstr("beta1 in [0, 1), got 1"));
  const std::string infinite =
      text([](AdamWOptions& o) { o.learning_rate = HUGE_VAL; });
  EXPECT_THAT(infinite, HasSubstr("a finite learning rate"));
  EXPECT_THAT(infinite, HasSubstr("at step 0, got inf"));
}

/** Counts the events of an optimizer's topic. */
std::int64_t events_of(const char* topic, const std::function<void()>& call) {
  const std::int64_t before = event_count(topic);
  call();
  return event_count(topic) - before;
}

// A step that overflows leaves the elements alone that it would ruin.
TEST(Optimizer, SgdWritesNoInfinity) {
  for (const double momentum : {0.0, 0.9}) {
    for (const bool nesterov : {false, true}) {
      if (nesterov && momentum == 0.0) continue;
      Bag bag;
      SgdOptions options = plain(1e10);
      options.momentum = momentum;
      options.nesterov = nesterov;
      Sgd sgd(bag, options);
      bag.bias.set_grad(Tensor::from<float>({1e30F, 0, 1e-10F, 3e38F}, {4}));
      EXPECT_EQ(events_of("sgd", [&] { sgd.step(); }), 1);
      const float by = nesterov ? 1.9F : 1.0F;
      EXPECT_EQ(bag.bias.to_vector<float>()[0], 2.0F);
      EXPECT_EQ(bag.bias.to_vector<float>()[1], 2.0F);
      EXPECT_NEAR(bag.bias.to_vector<float>()[2], 2.0F - by, 1e-6F);
      EXPECT_EQ(bag.bias.to_vector<float>()[3], 2.0F);
      // nor does v remember it
      bag.bias.set_grad(Tensor::zeros({4}));
      EXPECT_EQ(events_of("sgd", [&] { sgd.step(); }), 0);
      EXPECT_EQ(bag.bias.to_vector<float>()[0], 2.0F);
    }
  }
}

TEST(Optimizer, AdamWWritesNoNan) {
  Bag bag;
  AdamWOptions options;
  options.learning_rate = 0.5;
  options.epsilon = 0.0;
  options.weight_decay = 0.0;
  AdamW adamw(bag, options);
  // 0 / 0; a plain step; a square that overflows
  bag.bias.set_grad(Tensor::from<float>({0, 1, 3e38F, -1}, {4}));
  EXPECT_EQ(events_of("adamw", [&] { adamw.step(); }), 1);
  const Floats first = bag.bias.to_vector<float>();
  const Floats want = {2.0F, 1.5F, 2.0F, 2.5F};
  // f32 holds 1 - beta2 to eps / 0.001 / 2, and takes half of its root
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(first[i], want[i], 2e-5F);
  bag.bias.set_grad(Tensor::from<float>({1, 1, 1, 1}, {4}));
  EXPECT_EQ(events_of("adamw", [&] { adamw.step(); }), 0);
  for (const float v : bag.bias.to_vector<float>()) {
    EXPECT_TRUE(std::isfinite(v));
  }
  EXPECT_LT(bag.bias.to_vector<float>()[2], 2.0F);
}

}  // namespace
}  // namespace mjolnir::optim
