// An embedding under THOR against ten steps of an independent script
// (tests/golden/thor_embedding.py).
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <mjolnir/core/ops.h>
#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/embedding.h>
#include <mjolnir/models/to_thor.h>
#include <mjolnir/optim/thor.h>

#include "tests/optim/trajectory.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;
using Ids = std::vector<std::int64_t>;

struct TextNet : Module {
  explicit TextNet(Generator& rng) : table(ids(), rng), fc(head(), rng) {
    add("table", table);
    add("fc", fc);
  }
  Tensor operator()(const Tensor& x) override {
    return fc(mean(tanh(table(x)), {1}));
  }
  static EmbeddingOptions ids() {
    EmbeddingOptions options;
    options.count = 7;
    options.size = 4;
    options.dtype = DType::F64;
    return options;
  }
  static DenseOptions head() {
    DenseOptions options;
    options.in = 4;
    options.out = 3;
    options.dtype = DType::F64;
    return options;
  }
  Embedding table;
  Dense fc;
};

class ThorEmbeddingNumpy : public ::testing::Test {
 protected:
  /** Ten steps on the two batches, compared after each. */
  static void expect_trajectory(const std::string& name,
                                const ThorOptions& options) {
    std::ifstream file(MJOLNIR_SOURCE_DIR "/tests/golden/thor_embedding.json");
    const nlohmann::json golden = nlohmann::json::parse(file);
    Generator rng(1);
    TextNet net(rng);
    models::to_thor(net);
    for (const auto& [label, tensor] : net.named_parameters()) {
      tensor.copy_from(Tensor::from<double>(
          golden["start"][label].get<Doubles>(), tensor.shape()));
    }
    const auto ids = golden["ids"].get<Ids>();
    const auto labels = golden["labels"].get<Ids>();
    Thor thor(net, options);
    ASSERT_EQ(thor.curvature().size(), 2U);
    for (std::ptrdiff_t step = 0; step < golden["steps"]; ++step) {
      const std::ptrdiff_t batch = step % 2;
      const Tensor x = Tensor::from<std::int64_t>(
          {ids.begin() + batch * 12, ids.begin() + (batch + 1) * 12}, {4, 3});
      const Tensor y = Tensor::from<std::int64_t>(
          {labels.begin() + batch * 4, labels.begin() + (batch + 1) * 4}, {4});
      thor.zero_grad();
      (cross_entropy(net(x), y) * options.loss_scale).backward();
      thor.step();
      expect_parameters(net, golden["cases"][name][std::size_t(step)], 1e-10,
                        name + ", step " + std::to_string(step));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
};

TEST_F(ThorEmbeddingNumpy, EvenSplitWithDecayAndLossScale) {
  ThorOptions o = trajectory_options(3, 0.1, 0.03);
  o.weight_decay = 0.01;
  o.loss_scale = 8.0;
  expect_trajectory("even", o);
}

TEST_F(ThorEmbeddingNumpy, TraceSplit) {
  ThorOptions o = trajectory_options(2, 0.2, 0.02);
  o.damping_split = DampingSplit::Trace;
  expect_trajectory("trace", o);
}

TEST_F(ThorEmbeddingNumpy, RunningAverage) {
  ThorOptions o = trajectory_options(2, 0.1, 0.05);
  o.running_average = 0.6;
  o.weight_decay = 0.02;
  expect_trajectory("average", o);
}

TEST_F(ThorEmbeddingNumpy, TraceSplitRunningAverageAndKlClip) {
  ThorOptions o = trajectory_options(1, 0.3, 0.01);
  o.damping_split = DampingSplit::Trace;
  o.running_average = 0.8;
  o.kl_clip = 1e-3;
  expect_trajectory("kfac", o);
}

TEST_F(ThorEmbeddingNumpy, SplitFactors) {
  ThorOptions o = trajectory_options(2, 0.1, 0.05);
  o.split_dim = 3;
  expect_trajectory("split", o);
}

}  // namespace
}  // namespace mjolnir::optim
