// Kfac against ten steps of an independent script
// (tests/golden/kfac_numpy.py), and its own promises.
#include <mjolnir/optim/kfac.h>

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/curvature/likelihood.h>

#include "tests/optim/thor_data.h"
#include "tests/optim/trajectory.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;
using ::testing::HasSubstr;

/** The net of the script. */
struct KfacNet : Module {
  explicit KfacNet(Generator& rng)
      : conv(valid_conv(2, 3, 2), rng),
        hidden(dense(18, 4, true), rng),
        last(dense(4, 3, false), rng) {
    add("conv", conv);
    add("hidden", hidden);
    add("last", last);
  }
  Tensor operator()(const Tensor& x) override {
    return last(tanh(hidden(flatten(tanh(conv(x))))));
  }
  Conv2dThor conv;
  DenseThor hidden, last;
};

void expect_trajectory(const std::string& name, const KfacOptions& options) {
  const GoldenFile golden("kfac_numpy.json", {4, 2, 3, 4});
  Generator rng(1);
  KfacNet net(rng);
  golden.start(net);
  Kfac kfac(net, options);
  ASSERT_EQ(golden.steps(), 10);
  for (long step = 0; step < 10; ++step) {
    kfac.zero_grad();
    const Tensor outputs = net(golden.images(step));
    if (options.targets == KfacTargets::Sampled) {
      EXPECT_EQ(kfac.collecting(), step % options.frequency == 0);
      BackwardOptions pass;
      pass.retain_graph = true;
      pass.curvature_only = true;
      cross_entropy(outputs, golden.labels("drawn", step)).backward(pass);
    }
    cross_entropy(outputs, golden.labels("labels", step)).backward();
    kfac.step();
    golden.expect(net, name, step, 1e-10);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(KfacNumpy, FactorsFromTheTrainingLabels) {
  KfacOptions o;
  o.frequency = 2;
  o.learning_rate = 0.1;
  o.damping = 0.01;
  o.running_average = 0.8;
  o.step_length.kl_clip = 1e-3;
  o.weight_decay = 0.01;
  expect_trajectory("training_labels", o);
}

TEST(KfacNumpy, FactorsFromDrawnLabelsInAPassOfTheirOwn) {
  KfacOptions o;
  o.frequency = 3;
  o.learning_rate = 0.05;
  o.damping = 0.02;
  o.running_average = 0.9;
  o.step_length.kl_clip = 1e-2;
  o.targets = KfacTargets::Sampled;
  expect_trajectory("drawn_labels", o);
}

TEST(KfacNumpy, BiasesApart) {
  KfacOptions o;
  o.frequency = 1;
  o.learning_rate = 0.1;
  o.damping = 0.03;
  o.running_average = 0.5;
  o.step_length.kl_clip = 1e-3;
  o.joint_bias = false;
  expect_trajectory("biases_apart", o);
}

TEST(Kfac, IsThorWithItsOptions) {
  const auto net = make_net();
  const auto twin = make_net();
  KfacOptions o;
  o.learning_rate = 0.1;
  o.frequency = 2;
  o.joint_bias = false;
  Kfac kfac(*net, o);
  ThorOptions t;
  t.learning_rate = 0.1;
  t.damping = 0.003;
  t.frequency = 2;
  t.running_average = 0.9;
  t.damping_split = DampingSplit::Trace;
  t.kl_clip = 0.001;
  Thor thor(*twin, t);
  train(*net, kfac, 7);
  train(*twin, thor, 7);
  EXPECT_EQ(weights_of(*net), weights_of(*twin));
}

TEST(Kfac, ASumReducedLossGivesTheStepsOfItsMean) {
  const auto run = [](LossReduction reduction, double scale) {
    const auto net = make_net();
    KfacOptions o;
    o.frequency = 2;
    o.loss_reduction = reduction;
    o.loss_scale = scale;
    Kfac kfac(*net, o);
    const double factor = reduction == LossReduction::Sum ? 4 * scale : scale;
    train(*net, kfac, 5, factor);
    return weights_of(*net);
  };
  const Doubles mean = run(LossReduction::Mean, 1.0);
  const Doubles sum = run(LossReduction::Sum, 1.0);
  const Doubles scaled = run(LossReduction::Mean, 64.0);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    ASSERT_NEAR(sum[i], mean[i], 1e-12);
    ASSERT_NEAR(scaled[i], mean[i], 1e-12);
  }
}

TEST(Kfac, SampledTargetsAreTheModelsOwn) {
  const auto net = make_net();
  KfacOptions o;
  o.targets = KfacTargets::Sampled;
  Kfac kfac(*net, o);
  Generator rng(3);
  const Data data = random_data(4, 9);
  kfac.zero_grad();
  ASSERT_TRUE(kfac.collecting());
  const Tensor outputs = (*net)(data.x);
  BackwardOptions pass;
  pass.retain_graph = true;
  pass.curvature_only = true;
  const Tensor drawn =
      sample_targets(Likelihood::Categorical, outputs.detach(), rng);
  negative_log_likelihood(Likelihood::Categorical, outputs, drawn)
      .backward(pass);
  EXPECT_FALSE(net->fc.weight.grad().defined());
  cross_entropy(outputs, data.y).backward();
  kfac.step();
  EXPECT_FALSE(kfac.collecting());
  EXPECT_EQ(kfac.refreshes(), 3);
}

TEST(Kfac, AMissingCurvaturePassIsANamedError) {
  const auto net = make_net();
  KfacOptions o;
  o.targets = KfacTargets::Sampled;
  Kfac kfac(*net, o);
  const Doubles before = weights_of(*net);
  try {
    train(*net, kfac, 1);
    FAIL();
  } catch (const ValueError& e) {
    EXPECT_THAT(e.what(), HasSubstr("[kfac] layer conv1"));
    EXPECT_THAT(e.what(), HasSubstr("curvature_only"));
  }
  EXPECT_EQ(weights_of(*net), before);
}

TEST(Kfac, RefusesOptionsOutsideTheirDomain) {
  const auto net = make_net();
  const auto refused = [&](auto change) {
    KfacOptions o;
    change(o);
    EXPECT_THROW(Kfac(*net, o), ValueError);
  };
  refused([](KfacOptions& o) { o.momentum = 1.0; });
  refused([](KfacOptions& o) { o.running_average = 1.0; });
  refused([](KfacOptions& o) { o.loss_scale = 0.0; });
  refused([](KfacOptions& o) { o.frequency = 0; });
  refused([](KfacOptions& o) { o.damping = -1.0; });
  refused([](KfacOptions& o) { o.step_length.kl_clip = -1.0; });
  refused([](KfacOptions& o) { o.step_length.norm_constraint = 1.0; });
  refused([](KfacOptions& o) { o.split_dim = -1; });
}

}  // namespace
}  // namespace mjolnir::optim
