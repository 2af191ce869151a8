#include "train/curvature_log.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
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

TEST_F(CurvatureLogTest, WritesARowPerLayerAndReport) {
  const std::string path = folder.path() + "/curvature.csv";
  CurvatureLog log(path, net, loss, batch, thor, 2);
  EXPECT_TRUE(log.last().layers.empty());
  for (int run_step = 1; run_step <= 5; ++run_step) {
    step();
    log.on_step(run_step);
    EXPECT_EQ(log.take_summary().has_value(), run_step % 2 == 0);
    EXPECT_FALSE(log.take_summary().has_value());
  }
  const std::vector<std::string> lines = lines_of(path);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], StartsWith("step,layer,group,positions,age,a_least,"));
  EXPECT_THAT(lines[1], StartsWith("2,fc,0,1,2,"));
  EXPECT_THAT(lines[2], StartsWith("4,fc,0,1,4,"));
  const auto commas = [](const std::string& line) {
    return std::count(line.begin(), line.end(), ',');
  };
  EXPECT_EQ(commas(lines[0]), 22);
  EXPECT_EQ(commas(lines[1]), 22);
  EXPECT_THAT(log.last().str(), HasSubstr("fc"));
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

TEST_F(CurvatureLogTest, AFolderThatIsNotThereIsAnError) {
  EXPECT_THROW(CurvatureLog(folder.path() + "/none/curvature.csv", net, loss,
                            batch, thor, 1),
               IoError);
}

}  // namespace
}  // namespace mjolnir::train
