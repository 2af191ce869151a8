#include <string>
#include <vector>

#include <mjolnir/mjolnir.h>

#include "bench/benches.h"
#include "bench/steps.h"

// What curvature costs a training run: a refresh of all layers, the average
// step, and a look by the trace rule, in training steps of the same net.

namespace bench {
namespace {

namespace mj = mjolnir;

struct Limits {
  double refresh;  // in plain steps; 0: none
  double average;  // at frequency 50, in Sgd's steps
  double look;     // in plain steps
};

mj::optim::ThorOptions thor_options(std::int64_t split) {
  mj::optim::ThorOptions options;
  options.learning_rate = 0.01;
  options.damping = 0.3;
  options.split_dim = split;
  options.frequency = 2;
  return options;
}

// Sgd, Thor, and Thor with a rule that only looks, each on a net of its own and
// in turn.
void refresh_cost(Report& report, const StepSize& size, std::int64_t split,
                  const Limits& limits, int rounds) {
  mj::Generator rng(1);
  mj::models::ResNet net(resnet20(size), rng);
  const auto thor_net = net.clone();
  const auto looking_net = net.clone();
  const mj::Batch batch = random_batch(size, rng);
  mj::optim::Sgd sgd(net, {.learning_rate = 0.01, .momentum = 0.9});
  mj::optim::ThorOptions options = thor_options(split);
  mj::optim::Thor thor(*thor_net, options);
  // After the first look no trace can change so much: looks alone.
  options.refresh_rule = mj::RefreshRule::trace(1e9, 0.0);
  mj::optim::Thor looking(*looking_net, options);
  std::vector<Kind> steps =
      measure({{net, sgd, 1}, {*thor_net, thor, 2}, {*looking_net, looking, 2}},
              batch, rounds);
  const double sgd_step = steps[0].median();
  const double refresh = steps[1].median(), plain = steps[2].median();
  const double look = steps[3].median(), between = steps[4].median();
  const std::string key = "cost_w" + std::to_string(size.width) + "_split" +
                          std::to_string(split) + "_";
  const auto add = [&](const char* name, const std::string& words, double value,
                       double limit, int decimals) {
    if (limit > 0.0) {
      report.add_limited(key + name, words, value, limit, decimals);
    } else {
      report.add(key + name, words, value, "", decimals);
    }
  };
  add("refresh", "refresh of all layers (A, G, inverses), in plain steps",
      (refresh - plain) / plain, limits.refresh, 2);
  add("average", "average step at frequency 50, in Sgd's steps",
      (refresh + 49 * plain) / 50 / sgd_step, limits.average, 3);
  add("look", "look by the trace rule, in plain steps",
      (look - between) / between, limits.look, 3);
}

}  // namespace

void refresh_times(Report& report, const StepSize& size, int rounds) {
  mj::Generator rng(1);
  mj::models::ResNet net(resnet20(size), rng);
  const mj::Batch batch = random_batch(size, rng);
  mj::optim::Thor thor(net, thor_options(0));
  std::vector<Kind> steps = measure({{net, thor, 2}}, batch, rounds);
  const double refresh = steps[0].median(), plain = steps[1].median();
  report.section("ResNet-20, 32x32 images, width " +
                 std::to_string(size.width) + ", batch " +
                 std::to_string(size.batch) + ", no split, " +
                 std::to_string(mj::num_threads()) + " threads");
  const std::string key = "refresh_w" + std::to_string(size.width) + "_";
  report.add(key + "ms", "refresh of all layers (A, G, inverses)",
             1e3 * (refresh - plain), "ms");
  report.add(key + "plain_ms", "Thor step between refreshes", 1e3 * plain,
             "ms");
  report.add(key + "split_dim", "split_dim (0: no split)", 0.0, "", 0);
  report.add(key + "threads", "threads", mj::num_threads(), "", 0);
}

void refresh_costs(Report& report, int rounds) {
  report.section("ResNet-20, 32x32 images, width 16, batch 128, no split");
  refresh_cost(report, {.width = 16, .batch = 128}, 0, {1.0, 1.06, 0.05},
               rounds);
  report.section("ResNet-20, 32x32 images, width 64, batch 64, split 128");
  refresh_cost(report, {.width = 64, .batch = 64}, 128, {1.2, 1.08, 0.05},
               rounds);
  report.section("ResNet-20, 32x32 images, width 64, batch 64, no split");
  refresh_cost(report, {.width = 64, .batch = 64}, 0, {0.0, 0.0, 0.05}, rounds);
}

}  // namespace bench
