// What reports and explain() say of scale_shift.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/curvature/explain.h>
#include <mjolnir/curvature/report.h>

#include "tests/optim/scale_shift_net.h"

namespace mjolnir::optim {
namespace {

using namespace scale_shift_tests;
using ::testing::HasSubstr;

TEST(ScaleShiftReport, TellsOfThePairs) {
  const auto net = make_mixed();
  ThorOptions options = plain_options(0.02);
  options.learning_rate = 0.01;
  Thor thor(*net, options);
  trained(*net, thor, 2);
  const Data data = mixed_data(40);
  Batch batch;
  batch.images = data.x;
  batch.labels = data.y;
  const BatchLoss loss = [](Module& model, const Batch& b) {
    return cross_entropy(model(b.images), b.labels);
  };
  const CurvatureReport report = curvature_report(*net, loss, batch, thor);
  ASSERT_EQ(report.layers.size(), 4U);
  const LayerReport& ln = report.layers[3];
  EXPECT_EQ(ln.name, "ln");
  EXPECT_EQ(ln.kind, BlockKind::ScaleShift);
  EXPECT_EQ(ln.age, 2);
  EXPECT_EQ(ln.g.damping, 0.02);
  EXPECT_TRUE(std::isnan(ln.a.median));
  EXPECT_TRUE(std::isnan(ln.cosine_to_exact));
  EXPECT_THAT(report.str(), HasSubstr("scale-shift blocks"));

  // The same batch, from a backward pass of its own.
  const auto observer = std::make_shared<ScaleShiftObserver>();
  const ObservationHandle handle = net->ln.observe(observer);
  thor.zero_grad();
  loss(*net, batch).backward();
  const ScaleShiftSums sums = observer->sums();
  double trace = 0.0, product = 0.0, before = 0.0, after = 0.0;
  const Tensor inverse = thor.inverse_scale_shift("ln");
  for (std::int64_t i = 0; i < 5; ++i) {
    trace += 6 * (sums.scale_scale.data<double>()[i] +
                  sums.shift_shift.data<double>()[i]);
    const double x = net->ln.weight.grad().data<double>()[i];
    const double y = net->ln.bias.grad().data<double>()[i];
    const double* m = inverse.data<double>() + 4 * i;
    const double u = m[0] * x + m[1] * y, v = m[2] * x + m[3] * y;
    product += x * u + y * v;
    before += x * x + y * y;
    after += u * u + v * v;
  }
  EXPECT_NEAR(ln.g.mean, trace / 10, 1e-12);
  EXPECT_NEAR(ln.cosine_to_gradient, product / std::sqrt(before * after),
              1e-10);
}

TEST(ScaleShiftExplain, ListsThePairsOrWhyTheyAreFirstOrder) {
  const auto net = make_mixed();
  const Tensor example = mixed_data(1).x;
  std::vector<std::string> names;
  for (const FirstOrderParameter& p : explain(*net, example).first_order) {
    if (p.why.find("see scale_shift") != std::string::npos)
      names.push_back(p.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"bn.weight", "bn.bias",
                                             "ln.weight", "ln.bias"}));
  net->ln.weight.set_requires_grad(false);
  ExplainOptions options;
  options.scale_shift = true;
  const Explanation e = explain(*net, example, options);
  ASSERT_EQ(e.scale_shifts.size(), 1U);
  EXPECT_EQ(e.scale_shifts[0].name, "bn");
  EXPECT_EQ(e.scale_shifts[0].type, "BatchNorm2d");
  EXPECT_EQ(e.scale_shifts[0].units, 5);
  EXPECT_EQ(e.scale_shifts[0].samples, 6);
  EXPECT_THAT(e.str(), HasSubstr("bn (BatchNorm2d): 5 units"));
  for (const FirstOrderParameter& p : e.first_order) {
    EXPECT_NE(p.name.substr(0, 2), "bn");
    if (p.name.substr(0, 2) != "ln") continue;
    EXPECT_THAT(p.why, HasSubstr("frozen"));
  }
}

}  // namespace
}  // namespace mjolnir::optim
