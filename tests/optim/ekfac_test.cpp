// Ekfac against twelve steps of an independent script
// (tests/golden/ekfac_numpy.py), and its own promises.
#include <mjolnir/optim/ekfac.h>

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>

#include "tests/optim/thor_data.h"
#include "tests/optim/trajectory.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;

/** The net of the script. */
struct EkfacNet : Module {
  explicit EkfacNet(Generator& rng)
      : conv(valid_conv(1, 3, 2), rng),
        hidden(dense(3, 4, true), rng),
        last(dense(4, 3, false), rng) {
    add("conv", conv);
    add("hidden", hidden);
    add("last", last);
  }
  Tensor operator()(const Tensor& x) override {
    return last(tanh(hidden(global_avg_pool(tanh(conv(x))))));
  }
  Conv2dThor conv;
  DenseThor hidden, last;
};

/** Every step of a case of the script, the loss multiplied by loss_scale. */
void expect_trajectory(const std::string& name, EkfacOptions options,
                       double loss_scale) {
  const GoldenFile golden("ekfac_numpy.json", {8, 1, 4, 4});
  Generator rng(1);
  EkfacNet net(rng);
  golden.start(net);
  options.loss_scale = loss_scale;
  Ekfac ekfac(net, options);
  ASSERT_EQ(golden.steps(), 12);
  for (long step = 0; step < 12; ++step) {
    ekfac.zero_grad();
    const Tensor loss =
        cross_entropy(net(golden.images(step)), golden.labels("labels", step));
    (loss * loss_scale).backward();
    ekfac.step();
    golden.expect(net, name, step, 1e-10);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(EkfacNumpy, MomentsInEveryStep) {
  EkfacOptions o;
  o.frequency = 4;
  o.learning_rate = 0.1;
  o.damping = 0.01;
  o.running_average = 0.8;
  o.step_length.kl_clip = 1e-3;
  o.weight_decay = 0.01;
  expect_trajectory("every_step", o, 1.0);
  expect_trajectory("every_step", o, 16.0);
}

TEST(EkfacNumpy, MomentsInEveryThirdStep) {
  EkfacOptions o;
  o.frequency = 6;
  o.moment_frequency = 3;
  o.learning_rate = 0.05;
  o.damping = 0.02;
  o.running_average = 0.5;
  o.step_length.kl_clip = 1e-2;
  expect_trajectory("every_third", o, 1.0);
}

TEST(Ekfac, TakesTheSecondMomentsOfTheBasisInUse) {
  const auto net = make_net();
  EkfacOptions o;
  o.frequency = 3;
  Ekfac ekfac(*net, o);
  std::vector<Collect> factors;
  std::vector<Doubles> bases, moments;
  for (int step = 0; step < 5; ++step) {
    factors.push_back(net->conv1.factors()->collects());
    train(*net, ekfac, 1);
    bases.push_back(ekfac.block("conv1").u_a().to_vector<double>());
    moments.push_back(ekfac.block("conv1").s().to_vector<double>());
  }
  const Collect n = Collect::Nothing, f = Collect::Factors;
  EXPECT_EQ(factors, (std::vector<Collect>{f, n, n, f, n}));
  EXPECT_EQ(bases[1], bases[0]);
  EXPECT_EQ(bases[2], bases[0]);
  EXPECT_NE(moments[1], moments[0]);
}

TEST(Ekfac, RunsTwiceWithTheSameBits) {
  const auto run = [] {
    const auto net = make_net(DType::F32);
    EkfacOptions o;
    o.frequency = 3;
    Ekfac ekfac(*net, o);
    train(*net, ekfac, 6, 1.0, DType::F32);
    return weights_of(*net);
  };
  EXPECT_EQ(run(), run());
}

TEST(Ekfac, ANonFiniteFactorKeepsTheLastBasis) {
  Generator rng(2);
  EigenBlock block("layer", 0.0);
  FactorSums sums;
  sums.a = Tensor::from<double>({2, 1, 1, 3}, {2, 2});
  sums.g = Tensor::from<double>({1, 0, 0, 4}, {2, 2});
  sums.positions_a = sums.positions_g = 1;
  sums.positions_per_sample = 1.0;
  ASSERT_TRUE(block.refresh(sums, 1.0, 0));
  const Doubles basis = block.u_a().to_vector<double>();
  const Tensor g = Tensor::from<double>({1, 2, 3, 4}, {2, 2});
  const Doubles before = block.precondition(g, 1.0, 0.1).to_vector<double>();
  sums.a.mutable_data<double>()[0] = std::nan("");
  EXPECT_FALSE(block.refresh(sums, 1.0, 1));
  EXPECT_EQ(block.u_a().to_vector<double>(), basis);
  block.take(Tensor::full({2, 2}, std::nan(""), {DType::F64}), 1, 1.0, 2);
  EXPECT_EQ(block.precondition(g, 1.0, 0.1).to_vector<double>(), before);
}

TEST(Ekfac, RefusesOptionsOutsideTheirDomain) {
  const auto net = make_net();
  const auto refused = [&](auto change) {
    EkfacOptions o;
    change(o);
    EXPECT_THROW(Ekfac(*net, o), ValueError);
  };
  refused([](EkfacOptions& o) { o.momentum = 1.0; });
  refused([](EkfacOptions& o) { o.running_average = 1.0; });
  refused([](EkfacOptions& o) { o.loss_scale = 0.0; });
  refused([](EkfacOptions& o) { o.frequency = 0; });
  refused([](EkfacOptions& o) { o.moment_frequency = 0; });
  refused([](EkfacOptions& o) { o.damping = -1.0; });
  refused([](EkfacOptions& o) {
    o.step_length = StepLengthOptions();
    o.step_length.norm_constraint = 1.0;
  });
}

}  // namespace
}  // namespace mjolnir::optim
