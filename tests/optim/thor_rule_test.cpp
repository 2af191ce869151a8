// Thor with the trace rule: what is collected when, what each look decides.
#include <gmock/gmock.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/optim/thor.h>

#include "tests/curvature/listener.h"
#include "tests/optim/thor_data.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;
using ::testing::HasSubstr;

ThorOptions rule_options(const RefreshRule& rule, long frequency = 3) {
  ThorOptions options = small_options();
  options.frequency = frequency;
  options.refresh_rule = rule;
  return options;
}

/** A step on the batch of that number. */
void step_on(ThorNet& net, Thor& thor, int number) {
  const Data data = random_data(4, static_cast<std::uint64_t>(100 + number));
  thor.zero_grad();
  cross_entropy(net(data.x), data.y).backward();
  thor.step();
}

TEST(ThorRule, NtIsFixedBitForBit) {
  const auto run = [](const RefreshRule& rule) {
    const auto net = make_net();
    Thor thor(*net, rule_options(rule));
    train(*net, thor, 11);
    EXPECT_EQ(thor.refreshes(), 12);
    return weights_of(*net);
  };
  EXPECT_EQ(run(RefreshRule::thor_nt()), run(RefreshRule::fixed()));
}

TEST(ThorRule, ALookThatKeepsCollectsTracesAloneAndKeepsTheInverseBitForBit) {
  const auto net = make_net();
  Thor thor(*net, rule_options(RefreshRule::trace(1e9, 0.0)));
  std::vector<Collect> collected;
  std::vector<Doubles> inverses;
  for (int step = 0; step < 8; ++step) {
    collected.push_back(net->conv2.factors()->collects());
    step_on(*net, thor, step);
    inverses.push_back(thor.inverse_a("conv2").to_vector<double>());
    EXPECT_EQ(inverses.back(), inverses.front()) << step;
  }
  const Collect n = Collect::Nothing, t = Collect::Traces, f = Collect::Factors;
  EXPECT_EQ(collected, (std::vector<Collect>{f, n, n, t, n, n, t, n}));
  EXPECT_EQ(thor.refreshes(), 3);
  for (const LayerCurvature& layer : thor.curvature()) {
    EXPECT_EQ(layer.looks.refresh, 1);
    EXPECT_EQ(layer.looks.keep, 2);
    EXPECT_EQ(layer.looks.freeze, 0);
    EXPECT_EQ(layer.last_look, 6);
    EXPECT_EQ(layer.last_refresh, 0);
    EXPECT_EQ(layer.decision.verdict, Verdict::Keep);
  }
}

TEST(ThorRule, ALayerThatAsksCollectsFactorsInTheNextStep) {
  const auto net = make_net();
  Thor thor(*net, rule_options(RefreshRule::trace(1e-12, 0.0)));
  std::vector<Collect> collected;
  std::vector<long> refreshed;
  for (int step = 0; step < 6; ++step) {
    collected.push_back(net->fc.factors()->collects());
    step_on(*net, thor, step);
    refreshed.push_back(thor.curvature()[2].last_refresh);
  }
  const Collect n = Collect::Nothing, t = Collect::Traces, f = Collect::Factors;
  EXPECT_EQ(collected, (std::vector<Collect>{f, n, n, t, f, n}));
  EXPECT_EQ(refreshed, (std::vector<long>{0, 0, 0, 0, 4, 4}));
}

TEST(ThorRule, TheNewInverseIsThatOfTheStepThatCollectedIt) {
  const auto net = make_net();
  const auto twin = make_net();
  Thor thor(*net, rule_options(RefreshRule::trace(1e-12, 0.0)));
  // The twin looks at steps 0, 4, 8, ...: where the rule's factors come from.
  Thor fixed(*twin, rule_options(RefreshRule::fixed(), 4));
  for (int step = 0; step < 6; ++step) {
    step_on(*net, thor, step);
    step_on(*twin, fixed, step);
  }
  EXPECT_EQ(weights_of(*net), weights_of(*twin));
  EXPECT_EQ(thor.inverse_g("conv1").to_vector<double>(),
            fixed.inverse_g("conv1").to_vector<double>());
}

TEST(ThorRule, AFrozenLayerStopsCollectingForGood) {
  const auto net = make_net();
  Thor thor(*net, rule_options(RefreshRule::trace(1e9, 1e9)));
  for (int step = 0; step < 4; ++step) step_on(*net, thor, step);
  for (int step = 4; step < 13; ++step) {
    EXPECT_FALSE(net->conv1.factors()->collecting()) << step;
    EXPECT_FALSE(thor.collecting());
    if (step == 6) net->conv1.freeze(true);
    if (step == 8) net->conv1.freeze(false);  // its thaw is another matter
    const Data data = random_data(4, static_cast<std::uint64_t>(100 + step));
    thor.zero_grad();
    cross_entropy((*net)(data.x), data.y).backward();
    for (const CurvatureSource* layer :
         std::vector<CurvatureSource*>{&net->conv1, &net->conv2, &net->fc}) {
      EXPECT_TRUE(layer->factors()->is_empty()) << step;
      EXPECT_EQ(layer->factors()->sums().samples, 0) << step;
      EXPECT_FALSE(layer->factors()->sums().a.defined()) << step;
    }
    thor.step();
  }
  for (const LayerCurvature& layer : thor.curvature()) {
    EXPECT_EQ(layer.looks.freeze, 1);
    EXPECT_EQ(layer.last_look, 3);
    EXPECT_EQ(layer.refreshes, 1);
  }
  EXPECT_EQ(thor.decisions().size(), 6U);
}

/** T tr A tr G of one backward pass, from the factors' own diagonals. */
double trace_of(const CurvatureSource& source, double samples) {
  const Tensor a = source.matrix_a();
  const Tensor g = source.matrix_g();
  const auto trace = [](const Tensor& m) {
    const Doubles values = m.to_vector<double>();
    double sum = 0.0;
    const auto n = static_cast<std::size_t>(m.size(0));
    for (std::size_t i = 0; i < n; ++i) sum += values[i * n + i];
    return sum;
  };
  const FactorSums& sums = source.factors()->sums();
  return static_cast<double>(sums.positions_a) / samples * trace(a) * samples *
         samples * trace(g);
}

TEST(ThorRule, EachDecisionTellsWhatItRestsOn) {
  const auto net = make_net();
  ThorOptions options = rule_options(RefreshRule::trace(0.5, 0.0));
  options.damping = [](long step) { return step == 0 ? 0.05 : 0.02; };
  Thor thor(*net, options);
  std::vector<Doubles> taus;
  Listener listener;
  for (int step = 0; step < 4; ++step) {
    // A twin with factors of its own sees the same weights and batch.
    const auto twin = make_net();
    for (std::size_t i = 0; i < twin->parameters().size(); ++i) {
      twin->parameters()[i].copy_from(net->parameters()[i]);
    }
    const Data data = random_data(4, static_cast<std::uint64_t>(100 + step));
    cross_entropy((*twin)(data.x), data.y).backward();
    taus.push_back({trace_of(twin->conv1, 4), trace_of(twin->conv2, 4),
                    trace_of(twin->fc, 4)});
    step_on(*net, thor, step);
  }
  const std::vector<RefreshDecision>& all = thor.decisions();
  ASSERT_EQ(all.size(), 6U);
  std::vector<std::string> heard;
  for (const Event& event : listener.events) {
    if (event.topic == "decision") heard.push_back(event.message);
  }
  ASSERT_EQ(heard.size(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_THAT(heard[i], HasSubstr("layer " + all[i].layer + ", step " +
                                    std::to_string(all[i].step) + ": " +
                                    name_of(all[i].trace.verdict)));
  }
  const std::string names[] = {"conv1", "conv2", "fc"};
  const double rows[] = {4 * 18, 5 * 24, 3 * 5};
  for (std::size_t l = 0; l < 3; ++l) {
    const RefreshDecision& first = all[l];
    EXPECT_EQ(first.layer, names[l]);
    EXPECT_EQ(first.step, 0);
    EXPECT_EQ(first.trace.verdict, Verdict::Refresh);
    EXPECT_NEAR(first.trace.trace, taus[0][l], 1e-12 * taus[0][l]);
    const RefreshDecision& second = all[3 + l];
    EXPECT_EQ(second.layer, names[l]);
    EXPECT_EQ(second.step, 3);
    EXPECT_EQ(second.damping, 0.02);
    const double tau = taus[3][l], reference = taus[0][l];
    const double delta =
        std::abs(tau - reference) / (reference + 0.02 * rows[l]);
    EXPECT_NEAR(second.trace.trace, tau, 1e-12 * tau);
    EXPECT_NEAR(second.trace.delta, delta, 1e-12);
    EXPECT_NEAR(second.trace.delta_undamped,
                std::abs(tau - reference) / reference, 1e-12);
    EXPECT_NEAR(second.trace.share, tau / (tau + 0.02 * rows[l]), 1e-12);
    EXPECT_EQ(second.trace.verdict,
              delta > 0.5 ? Verdict::Refresh : Verdict::Keep);
  }
}

TEST(ThorRule, SaysOnceIfDampingHidesALayersTrace) {
  const auto net = make_net();
  ThorOptions options = rule_options(RefreshRule::thor());
  options.damping = 1e6;
  Listener listener;
  Thor thor(*net, options);
  for (int step = 0; step < 7; ++step) step_on(*net, thor, step);
  int told = 0;
  for (const Event& event : listener.events) {
    if (event.topic != "refresh") continue;
    ++told;
    EXPECT_THAT(event.message, HasSubstr("hardly ever"));
  }
  EXPECT_EQ(told, 3);
}

TEST(ThorRule, ALookWaitsForALayersGradient) {
  const auto net = make_net();
  Thor thor(*net, rule_options(RefreshRule::trace(1e9, 0.0)));
  step_on(*net, thor, 0);
  net->conv1.weight.set_requires_grad(false);
  for (int step = 1; step < 5; ++step) step_on(*net, thor, step);
  EXPECT_EQ(thor.curvature()[0].last_look, 0);
  EXPECT_EQ(thor.curvature()[1].last_look, 3);
  net->conv1.weight.set_requires_grad(true);
  step_on(*net, thor, 5);
  EXPECT_EQ(thor.curvature()[0].last_look, 5);
}

TEST(ThorRule, NeedsAStepBetweenLooks) {
  const auto net = make_net();
  EXPECT_THROW(Thor(*net, rule_options(RefreshRule::thor(), 1)), ValueError);
  EXPECT_THROW(RefreshRule::trace(0.01, 0.02), ValueError);
}

}  // namespace
}  // namespace mjolnir::optim
