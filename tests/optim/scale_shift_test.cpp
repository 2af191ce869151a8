// What optimizers do with scale_shift: when it collects, what it leaves alone,
// refuses and survives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include <mjolnir/curvature/likelihood.h>
#include <mjolnir/optim/kfac.h>
#include <mjolnir/optim/preconditioned.h>
#include <mjolnir/optim/sgd.h>

#include "tests/curvature/listener.h"
#include "tests/optim/scale_shift_net.h"

namespace mjolnir::optim {
namespace {

using namespace scale_shift_tests;
using ::testing::HasSubstr;

// In one step on one batch the option moves the pairs alone.
TEST(ScaleShiftStep, IsOffByDefaultAndLeavesTheOtherLayersAlone) {
  EXPECT_FALSE(ThorOptions().scale_shift);
  EXPECT_FALSE(KfacOptions().scale_shift);
  EXPECT_FALSE(PreconditionedOptions().scale_shift);
  const Data data = mixed_data(9);
  const auto run = [&](bool on) {
    const auto net = make_mixed();
    ThorOptions options = plain_options();
    options.scale_shift = on;
    step_of(*net, options,
            [&] { cross_entropy((*net)(data.x), data.y).backward(); });
    return net->named_parameters();
  };
  const auto off = run(false), on = run(true);
  const auto sgd_net = make_mixed();
  SgdOptions sgd_options;
  sgd_options.learning_rate = 1.0;
  Sgd sgd(*sgd_net, sgd_options);
  sgd.zero_grad();
  cross_entropy((*sgd_net)(data.x), data.y).backward();
  sgd.step();
  const auto plain = sgd_net->named_parameters();
  for (std::size_t i = 0; i < off.size(); ++i) {
    const bool pair = off[i].first.substr(0, 3) == "bn." ||
                      off[i].first.substr(0, 3) == "ln.";
    const Doubles without = off[i].second.to_vector<double>();
    EXPECT_EQ(on[i].second.to_vector<double>() == without, !pair)
        << off[i].first;
    if (!pair) continue;
    EXPECT_EQ(without, plain[i].second.to_vector<double>()) << off[i].first;
  }
}

// Whatever the rule decides of the layers with factors.
TEST(ScaleShiftStep, CollectsAtLooksOnly) {
  for (const RefreshRule& rule : {RefreshRule::fixed(), RefreshRule::thor()}) {
    const auto net = make_mixed();
    ThorOptions options = plain_options();
    options.learning_rate = 0.01;
    options.frequency = 3;
    options.refresh_rule = rule;
    Thor thor(*net, options);
    std::vector<long> refreshes;
    for (int i = 0; i < 7; ++i) {
      trained(*net, thor, 1);
      refreshes.push_back(thor.curvature()[2].refreshes);
      const bool looks = i == 2 || i == 5;  // the next step
      if (rule.is_fixed()) {
        EXPECT_EQ(thor.collecting(), looks) << i;
      }
    }
    EXPECT_EQ(refreshes, (std::vector<long>{1, 1, 1, 2, 2, 2, 3}));
    const LayerCurvature bn = thor.curvature()[2];
    EXPECT_EQ(bn.name, "bn");
    EXPECT_EQ(bn.kind, BlockKind::ScaleShift);
    EXPECT_EQ(bn.rows, 5);
    EXPECT_EQ(bn.age, 1);
    EXPECT_EQ(bn.last_look, 6);
    EXPECT_EQ(bn.looks.refresh, 3);
    EXPECT_GT(bn.cosine, 0.0);
    EXPECT_EQ(thor.inverse_scale_shift("bn").shape(), (Shape{5, 2, 2}));
    EXPECT_THROW(thor.inverse_a("bn"), ValueError);
  }
}

TEST(ScaleShiftStep, AFrozenPartnerMakesThePairFirstOrder) {
  const Data data = mixed_data(10);
  const auto net = make_mixed();
  net->bn.bias.set_requires_grad(false);
  const Doubles before = net->bn.weight.to_vector<double>();
  Thor thor(*net, plain_options());
  thor.zero_grad();
  cross_entropy((*net)(data.x), data.y).backward();
  const Doubles g = net->bn.weight.grad().to_vector<double>();
  thor.step();
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_DOUBLE_EQ(net->bn.weight.to_vector<double>()[i], before[i] - g[i]);
  }
  EXPECT_EQ(thor.curvature()[2].refreshes, 0);
  EXPECT_EQ(thor.curvature()[3].refreshes, 1);
  // Thawed, it collects in the next window.
  net->bn.bias.set_requires_grad(true);
  trained(*net, thor, 1);
  EXPECT_EQ(thor.curvature()[2].refreshes, 1);
}

TEST(ScaleShiftStep, APairThatIsNotTheOptimizersStaysFirstOrder) {
  const auto net = make_mixed();
  ParameterGroup group;
  for (const auto& [name, tensor] : net->named_parameters()) {
    if (name != "ln.bias") group.parameters.emplace_back(name, tensor);
  }
  Thor thor(*net, {group}, plain_options());
  std::vector<std::string> names;
  for (const LayerCurvature& l : thor.curvature()) names.push_back(l.name);
  EXPECT_EQ(names, (std::vector<std::string>{"conv", "fc", "bn"}));
}

TEST(ScaleShiftStep, SurvivesBlocksThatAreNotFinite) {
  NormNet net;
  ThorOptions options = plain_options();
  options.frequency = 1;
  options.damping = 0.0;
  Thor thor(net, options);
  Data data = norm_data(12);
  const auto run = [&](double scale) {
    thor.zero_grad();
    // Gradients near the end of f64: their squares overflow, they do not.
    const Tensor loss = cross_entropy(net(data.x), data.y) * scale;
    loss.backward();
    thor.step();
  };
  Listener listener;
  run(1e200);
  EXPECT_EQ(thor.curvature()[0].preconditioner, Preconditioner::None);
  EXPECT_EQ(thor.curvature()[0].ladder.not_finite, 1);
  NormNet fresh;
  net.norm.weight.copy_from(fresh.norm.weight);
  net.norm.bias.copy_from(fresh.norm.bias);
  run(1.0);
  EXPECT_EQ(thor.curvature()[0].refreshes, 1);
  run(1e200);
  EXPECT_EQ(thor.curvature()[0].ladder.kept, 1);
  for (const double v : values_of(net)) EXPECT_TRUE(std::isfinite(v));
  EXPECT_GE(listener.events.size(), 4U);
}

TEST(ScaleShiftStep, WithoutDampingASingularBlockGivesAFiniteStep) {
  NormNet net;
  const Data data = norm_data(13, 1);  // one sample: every block of rank 1
  ThorOptions options = plain_options(0.0);
  options.learning_rate = 1e-3;
  step_of(net, options, [&] { cross_entropy(net(data.x), data.y).backward(); });
  for (const double v : values_of(net)) EXPECT_TRUE(std::isfinite(v));
  // No gradient at all: left where it is.
  NormNet still;
  const Doubles before = values_of(still);
  step_of(still, options, [&] { (sum(still(data.x)) * 0.0).backward(); });
  EXPECT_EQ(values_of(still), before);
}

TEST(ScaleShiftStep, GradientsWithoutSumsAreANamedError) {
  NormNet net;
  Thor thor(net, plain_options());
  const Data data = norm_data(14);
  thor.zero_grad();
  net.norm.weight.set_grad(Tensor::ones({4}, f64));
  net.norm.bias.set_grad(Tensor::ones({4}, f64));
  EXPECT_THAT(message_of([&] { thor.step(); }),
              HasSubstr("[thor] layer norm has a gradient but no factors"));
  EXPECT_EQ(thor.steps(), 0);
}

TEST(ScaleShiftStep, ParityHasARuleOfItsOwn) {
  const auto net = make_mixed();
  ThorOptions options = plain_options();
  options.statistics = ThorStatistics::MindSporeGpu;
  EXPECT_THAT(message_of([&] { Thor thor(*net, options); }),
              HasSubstr("[thor] expected scale_shift or MindSpore's"));
}

TEST(ScaleShiftStep, ASharedPairBelongsToItsFirstLayer) {
  struct Shared : Module {
    Shared() : first(shape_of(4)), second(shape_of(4)) {
      add("first", first);
      second.weight = first.weight;
      second.bias = first.bias;
      add("second", second);
    }
    Tensor operator()(const Tensor& x) override { return second(first(x)); }
    LayerNorm first, second;
  } net;
  Listener listener;
  Thor thor(net, plain_options());
  EXPECT_EQ(thor.curvature().size(), 1U);
  ASSERT_EQ(listener.events.size(), 1U);
  EXPECT_THAT(listener.events[0].message,
              HasSubstr("layer second is treated as first-order"));
}

TEST(ScaleShiftStep, WorksWithKfacAndItsSampledTargets) {
  const auto net = make_mixed();
  KfacOptions options;
  options.scale_shift = true;
  options.frequency = 2;
  options.targets = KfacTargets::Sampled;
  Kfac kfac(*net, options);
  Generator rng(4);
  for (int i = 0; i < 3; ++i) {
    const Data data = mixed_data(static_cast<std::uint64_t>(30 + i));
    kfac.zero_grad();
    const Tensor z = (*net)(data.x);
    if (kfac.collecting()) {
      BackwardOptions pass;
      pass.retain_graph = pass.curvature_only = true;
      negative_log_likelihood(Likelihood::Categorical, z,
                              sample_targets(Likelihood::Categorical, z, rng))
          .backward(pass);
    }
    cross_entropy(z, data.y).backward();
    kfac.step();
  }
  for (const LayerCurvature& l : kfac.curvature()) {
    EXPECT_EQ(l.refreshes, 2) << l.name;
  }
}

TEST(ScaleShiftStep, AnotherOptimizerGetsTheDividedGradient) {
  NormNet net, twin;
  const Data data = norm_data(16);
  PreconditionedOptions options;
  options.damping = 0.01;
  options.scale_shift = true;
  SgdOptions sgd;
  sgd.learning_rate = 1.0;
  Preconditioned<Sgd> optimizer(net, sgd, options);
  Doubles step = values_of(net);
  optimizer.zero_grad();
  cross_entropy(net(data.x), data.y).backward();
  optimizer.step();
  const Doubles after = values_of(net);
  for (std::size_t i = 0; i < step.size(); ++i) step[i] -= after[i];
  const Doubles want = step_of(twin, plain_options(0.01), [&] {
    cross_entropy(twin(data.x), data.y).backward();
  });
  EXPECT_LT(relative_error(step, want), 1e-12);
}

TEST(ScaleShiftStep, AdaptiveDampingForetellsItsChangeOfTheLoss) {
  NormNet net;
  const Data data = norm_data(17);
  ThorOptions options = plain_options(1.0);
  options.learning_rate = 0.1;
  LevenbergMarquardtOptions adaptive;
  adaptive.period = 1;
  options.adaptive_damping = adaptive;
  Thor thor(net, options);
  thor.zero_grad();
  const Tensor loss = cross_entropy(net(data.x), data.y);
  loss.backward();
  thor.step([&] { return cross_entropy(net(data.x), data.y); });
  // A short step goes down as the slope says: rho near 1 shrinks lambda.
  EXPECT_LT(thor.damping(), 1.0);
}

}  // namespace
}  // namespace mjolnir::optim
