// An optimizer that goes on from a saved state takes the steps of the one that
// never stopped, bit for bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mjolnir/optim/adamw.h>
#include <mjolnir/optim/ekfac.h>
#include <mjolnir/optim/kfac.h>
#include <mjolnir/optim/preconditioned.h>
#include <mjolnir/optim/sgd.h>
#include <mjolnir/optim/thor.h>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/optim/scale_shift_net.h"
#include "tests/support/state.h"

namespace mjolnir::optim {
namespace {

using mjolnir::testing::expect_same_bits;
using scale_shift_tests::MixedNet;
using ::testing::HasSubstr;

constexpr int steps = 9;

Tensor loss_of(MixedNet& net, int step) {
  Generator rng(static_cast<std::uint64_t>(100 + step));
  const Tensor images = normal({5, 2, 6, 5}, 0, 1, rng, {DType::F64});
  const Tensor labels = Tensor::from<std::int64_t>({0, 2, 1, 1, 0}, {5});
  return cross_entropy(net(images), labels);
}

struct Kind {
  std::string name;
  std::function<std::unique_ptr<Optimizer>(Module&)> make;
};

ThorOptions thor() {
  ThorOptions options;
  options.learning_rate = [](long step) { return 0.05 / (1.0 + 0.1 * step); };
  options.damping = 0.1;
  options.frequency = 3;
  return options;
}

std::unique_ptr<Optimizer> thor_with(
    Module& net, const std::function<void(ThorOptions&)>& change) {
  ThorOptions options = thor();
  change(options);
  return std::make_unique<Thor>(net, options);
}

std::vector<Kind> kinds() {
  return {
      {"sgd",
       [](Module& net) { return std::make_unique<Sgd>(net, SgdOptions{}); }},
      {"sgd with momentum",
       [](Module& net) {
         SgdOptions options;
         options.momentum = 0.9;
         options.nesterov = true;
         return std::make_unique<Sgd>(net, options);
       }},
      {"adamw", [](Module& net) { return std::make_unique<AdamW>(net); }},
      {"thor", [](Module& net) { return thor_with(net, [](ThorOptions&) {}); }},
      {"thor with its rule",
       [](Module& net) {
         return thor_with(net, [](ThorOptions& o) {
           o.refresh_rule = RefreshRule::trace(0.05, 0.02);
           o.frequency = 2;
         });
       }},
      {"thor with averages, blocks and biases",
       [](Module& net) {
         return thor_with(net, [](ThorOptions& o) {
           o.running_average = 0.9;
           o.split_dim = 4;
           o.joint_bias = true;
           o.kl_clip = 0.01;
         });
       }},
      {"thor with scale and shift",
       [](Module& net) {
         return thor_with(net, [](ThorOptions& o) {
           o.scale_shift = true;
           o.running_average = 0.5;
         });
       }},
      {"thor with adaptive damping",
       [](Module& net) {
         return thor_with(net, [](ThorOptions& o) {
           o.adaptive_damping = LevenbergMarquardtOptions{};
           o.adaptive_damping->period = 2;
           o.adaptive_damping->omega = 0.7;
         });
       }},
      {"thor without memory",
       [](Module& net) {
         return thor_with(net, [](ThorOptions& o) { o.momentum = 0.0; });
       }},
      {"kfac",
       [](Module& net) {
         KfacOptions options;
         options.frequency = 4;
         return std::make_unique<Kfac>(net, options);
       }},
      {"ekfac",
       [](Module& net) {
         EkfacOptions options;
         options.frequency = 4;
         options.moment_frequency = 2;
         return std::make_unique<Ekfac>(net, options);
       }},
      {"adamw of divided gradients",
       [](Module& net) {
         PreconditionedOptions options;
         options.frequency = 3;
         return std::make_unique<Preconditioned<AdamW>>(net, AdamWOptions{},
                                                        options);
       }},
  };
}

void take_step(MixedNet& net, Optimizer& optimizer, int step) {
  optimizer.zero_grad();
  loss_of(net, step).backward();
  auto* thor = dynamic_cast<Thor*>(&optimizer);
  if (thor != nullptr && thor->adaptive_damping() != nullptr) {
    thor->step([&] { return loss_of(net, step); });
  } else {
    optimizer.step();
  }
}

// What there is after each step of an unbroken run; at 0 before the first.
struct Moment {
  SavedState model;
  SavedState optimizer;
};

SavedState copies(const std::vector<NamedTensor>& tensors) {
  SavedState state;
  for (const auto& [name, tensor] : tensors) {
    state.emplace_back(name, tensor.clone());
  }
  return state;
}

TEST(OptimizerState, GoingOnFromAnyStepGivesTheSameBits) {
  for (const Kind& kind : kinds()) {
    Generator rng(3);
    MixedNet net(rng);
    const auto optimizer = kind.make(net);
    std::vector<Moment> moments{{copies(net.state()), optimizer->state()}};
    for (int step = 0; step < steps; ++step) {
      take_step(net, *optimizer, step);
      moments.push_back({copies(net.state()), optimizer->state()});
    }
    for (int from = 0; from < steps; ++from) {
      Generator other(77);
      MixedNet again(other);
      const auto resumed = kind.make(again);
      // One that has already done something else.
      if (from % 2 == 1) take_step(again, *resumed, 50);
      const auto at = static_cast<std::size_t>(from);
      again.load_state(moments[at].model);
      resumed->load_state(moments[at].optimizer);
      const std::string where = kind.name + " from " + std::to_string(from);
      EXPECT_EQ(resumed->steps(), from) << where;
      expect_same_bits(resumed->state(), moments[at].optimizer, where);
      for (int step = from; step < steps; ++step) {
        take_step(again, *resumed, step);
      }
      expect_same_bits(copies(again.state()), moments.back().model, where);
      expect_same_bits(resumed->state(), moments.back().optimizer, where);
    }
  }
}

// A rule that never kept or froze would make the test above say little.
TEST(OptimizerState, TheRunsAboveMeetEveryVerdict) {
  Generator rng(3);
  MixedNet net(rng);
  const auto optimizer = kinds()[4].make(net);
  for (int step = 0; step < steps; ++step) take_step(net, *optimizer, step);
  LookCounts all;
  for (const auto& layer :
       dynamic_cast<CurvatureState&>(*optimizer).curvature()) {
    all.refresh += layer.looks.refresh;
    all.keep += layer.looks.keep;
    all.freeze += layer.looks.freeze;
  }
  EXPECT_GT(all.refresh, 2);
  EXPECT_GT(all.keep + all.freeze, 0);
}

TEST(OptimizerState, DecisionsComeBackWithTheRest) {
  Generator rng(3);
  MixedNet net(rng);
  const auto optimizer = kinds()[4].make(net);
  for (int step = 0; step < steps; ++step) take_step(net, *optimizer, step);
  MixedNet again(rng);
  const auto resumed = kinds()[4].make(again);
  resumed->load_state(optimizer->state());
  const auto& want = dynamic_cast<CurvatureState&>(*optimizer).decisions();
  const auto& got = dynamic_cast<CurvatureState&>(*resumed).decisions();
  ASSERT_EQ(got.size(), want.size());
  ASSERT_GT(want.size(), 3u);
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got[i].layer, want[i].layer);
    EXPECT_EQ(got[i].step, want[i].step);
    EXPECT_EQ(got[i].damping, want[i].damping);
    EXPECT_EQ(got[i].trace.trace, want[i].trace.trace);
    EXPECT_EQ(got[i].trace.delta, want[i].trace.delta);
    EXPECT_EQ(got[i].trace.delta_undamped, want[i].trace.delta_undamped);
    EXPECT_EQ(got[i].trace.share, want[i].trace.share);
    EXPECT_EQ(got[i].trace.verdict, want[i].trace.verdict);
  }
}

TEST(OptimizerState, OfAnotherOptimizerIsRefusedAndChangesNothing) {
  for (const Kind& kind : kinds()) {
    Generator rng(3);
    MixedNet net(rng);
    const auto optimizer = kind.make(net);
    take_step(net, *optimizer, 0);
    const SavedState before = optimizer->state();
    for (const Kind& other : kinds()) {
      if (other.name == kind.name) continue;
      MixedNet second(rng);
      const auto source = other.make(second);
      take_step(second, *source, 0);
      // Thor with another rule differs in no entry, only in its options.
      if (kind.name.rfind("thor", 0) == 0 && other.name.rfind("thor", 0) == 0) {
        continue;
      }
      EXPECT_THROW(optimizer->load_state(source->state()), ValueError)
          << kind.name << " from " << other.name;
    }
    SavedState lacking = before;
    lacking.pop_back();
    EXPECT_THROW(optimizer->load_state(lacking), ValueError) << kind.name;
    expect_same_bits(optimizer->state(), before, kind.name);
  }
}

TEST(OptimizerState, ParametersOfOneNameAreToldApart) {
  const Tensor a = Tensor::ones({2});
  const Tensor b = Tensor::ones({3});
  for (const Tensor& x : {a, b}) x.set_requires_grad(true);
  SgdOptions options;
  options.momentum = 0.5;
  Sgd sgd({{{{"w", a}}}, {{{"w", b}}}}, options);
  sum(a).backward();
  sum(b * 2.0).backward();
  sgd.step();
  Sgd other({{{{"w", a}}}, {{{"w", b}}}}, options);
  other.load_state(sgd.state());
  expect_same_bits(other.state(), sgd.state(), "two of one name");
}

TEST(LearningRate, CanBeScaledAndThatIsPartOfTheState) {
  const Tensor w = Tensor::ones({1}, {DType::F64});
  w.set_requires_grad(true);
  SgdOptions options;
  options.learning_rate = 0.5;
  Sgd sgd({{{{"w", w}}}}, options);
  sgd.scale_learning_rate(0.25);
  EXPECT_EQ(sgd.learning_rate(), 0.125);
  sum(w).backward();
  sgd.step();
  EXPECT_EQ(w.item(), 0.875);
  Sgd other({{{{"w", w}}}}, options);
  other.load_state(sgd.state());
  EXPECT_EQ(other.learning_rate(), 0.125);
  EXPECT_THROW(sgd.scale_learning_rate(-1.0), ValueError);
}

}  // namespace
}  // namespace mjolnir::optim
