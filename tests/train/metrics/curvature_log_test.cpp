#include "train/metrics/curvature_log.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <mjolnir/core/ops.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/optim/thor.h>

#include "tests/train/files.h"

namespace mjolnir::train {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Net : Module {
  explicit Net(Generator& rng) : fc(options(), rng) { add("fc", fc); }
  Tensor operator()(const Tensor& x) override { return fc(x); }
  static DenseThorOptions options() {
    DenseThorOptions o;
    o.in_channels = 3;
    o.out_channels = 2;
    o.weight_init = "he_normal";
    return o;
  }
  DenseThor fc;
};

class CurvatureLogTest : public ::testing::Test {
 protected:
  CurvatureLogTest() : net(rng), thor(net, options()) {
    batch.images = normal({8, 3}, 0, 1, rng);
    batch.labels = Tensor::from<std::int64_t>({0, 1, 1, 0, 1, 0, 0, 1}, {8});
  }
  static optim::ThorOptions options() {
    optim::ThorOptions o;
    o.frequency = 2;
    o.refresh_rule = RefreshRule::trace(1e9, 0.0);
    return o;
  }
  static Tensor loss(Module& model, const Batch& b) {
    return cross_entropy(model(b.images), b.labels);
  }
  void step() {
    thor.zero_grad();
    loss(net, batch).backward();
    thor.step();
  }

  Generator rng{3};
  Net net;
  optim::Thor thor;
  Batch batch;
  TemporaryFolder folder;
};

TEST_F(CurvatureLogTest, ReportsInItsSteps) {
  CurvatureLog log(net, loss, batch, thor, 2);
  EXPECT_TRUE(log.last().layers.empty());
  for (int run_step = 1; run_step <= 5; ++run_step) {
    step();
    EXPECT_EQ(log.on_step(run_step), run_step % 2 == 0);
  }
  ASSERT_EQ(log.last().layers.size(), 1u);
  EXPECT_EQ(log.last().layers[0].age, 4);
  EXPECT_THAT(log.last().str(), HasSubstr("fc"));
}

// By name: quantiles, condition and damping of both sides, age, cosines.
TEST_F(CurvatureLogTest, ALayersCellsStandInItsColumns) {
  CurvatureLog log(net, loss, batch, thor, 1);
  step();
  log.on_step(1);
  const LayerReport& fc = log.last().layers[0];
  const std::vector<std::string> names = layer_columns();
  const std::vector<std::string> cells = layer_cells(fc);
  ASSERT_EQ(cells.size(), names.size());
  const auto cell = [&](const std::string& name) {
    const auto at = std::find(names.begin(), names.end(), name);
    EXPECT_NE(at, names.end()) << name;
    return cells[static_cast<std::size_t>(at - names.begin())];
  };
  EXPECT_EQ(cell("layer"), "fc");
  EXPECT_EQ(cell("age"), "1");
  const auto number = [&](const std::string& name) {
    return std::stod(cell(name));
  };
  EXPECT_EQ(number("a_least"), fc.a.least);
  EXPECT_EQ(number("a_tenth"), fc.a.tenth);
  EXPECT_EQ(number("a_median"), fc.a.median);
  EXPECT_EQ(number("a_ninetieth"), fc.a.ninetieth);
  EXPECT_EQ(number("a_most"), fc.a.most);
  EXPECT_EQ(number("a_condition"), fc.a.condition);
  EXPECT_EQ(number("a_damping_share"), fc.a.damping_share);
  EXPECT_EQ(number("g_median"), fc.g.median);
  EXPECT_EQ(number("g_damping"), fc.g.damping);
  EXPECT_EQ(number("g_damping_share"), fc.g.damping_share);
  EXPECT_EQ(number("cosine_to_gradient"), fc.cosine_to_gradient);
  EXPECT_EQ(number("cosine_to_exact"), fc.cosine_to_exact);
  LayerReport unrefreshed;
  EXPECT_EQ(layer_cells(unrefreshed)[3], "");      // no age
  EXPECT_EQ(layer_cells(unrefreshed).back(), "");  // no cosine
}

TEST_F(CurvatureLogTest, TheSummaryIsTheMeanOverTheLayers) {
  CurvatureReport report;
  report.layers.resize(3);
  report.layers[0].a.damping_share = 0.2;
  report.layers[1].a.damping_share = 0.4;
  report.layers[2].a.damping_share = 0.9;
  report.layers[0].cosine_to_gradient = 0.5;
  report.layers[1].cosine_to_gradient = 0.7;  // the third has none
  const CurvatureSummary summary = summary_of(report);
  EXPECT_DOUBLE_EQ(summary.damping_a, 0.5);
  EXPECT_DOUBLE_EQ(summary.damping_g, 0.0);
  EXPECT_DOUBLE_EQ(summary.cosine, 0.6);
  EXPECT_TRUE(std::isnan(summary_of({}).cosine));
}

TEST_F(CurvatureLogTest, WritesEveryDecision) {
  for (int i = 0; i < 5; ++i) step();
  const std::string path = folder.path() + "/decisions.csv";
  write_decisions(path, thor);
  const std::vector<std::string> lines = lines_of(path);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_THAT(lines[0], StartsWith("step,layer,damping,trace,reference,"));
  EXPECT_THAT(lines[1], StartsWith("0,fc,0.03,"));
  EXPECT_THAT(lines[1], HasSubstr(",refresh"));
  EXPECT_THAT(lines[3], StartsWith("4,fc,0.03,"));
  EXPECT_THAT(lines[3], HasSubstr(",keep"));
}

}  // namespace
}  // namespace mjolnir::train
