// curvature_report() of a Thor, against matrices worked out here.
#include <mjolnir/curvature/report.h>

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/linalg.h>
#include <mjolnir/curvature/fisher.h>

#include "tests/optim/thor_data.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;
using ::testing::HasSubstr;

BatchLoss mean_loss() {
  return [](Module& model, const Batch& batch) {
    return cross_entropy(model(batch.images), batch.labels);
  };
}

Batch batch_of(const Data& data) {
  Batch batch;
  batch.images = data.x;
  batch.labels = data.y;
  return batch;
}

double dot(const Doubles& x, const Doubles& y) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

double cosine(const Doubles& x, const Doubles& y) {
  return dot(x, y) / std::sqrt(dot(x, x) * dot(y, y));
}

TEST(CurvatureReport, GivesSpectraDampingAgeAndCosines) {
  const auto net = make_net();
  ThorOptions options = small_options();
  options.frequency = 100;
  options.damping = 0.02;
  Thor thor(*net, options);
  train(*net, thor, 3);
  const Data data = random_data(6, 77);
  const CurvatureReport report =
      curvature_report(*net, mean_loss(), batch_of(data), thor);
  EXPECT_EQ(report.damping, 0.02);
  ASSERT_EQ(report.layers.size(), 3U);
  const LayerReport& fc = report.layers[2];
  EXPECT_EQ(fc.name, "fc");
  EXPECT_EQ(fc.positions, 1.0);
  EXPECT_EQ(fc.age, 3);

  // Factors and gradient of the same batch, from a plain backward pass.
  thor.zero_grad();
  net->fc.collect(Collect::Factors);
  cross_entropy((*net)(data.x), data.y).backward();
  const auto a = linalg::eigh(net->fc.matrix_a());
  const Doubles eigenvalues = a->values.to_vector<double>();
  EXPECT_NEAR(fc.a.least, eigenvalues.front(), 1e-12);
  EXPECT_NEAR(fc.a.most, eigenvalues.back(), 1e-12);
  EXPECT_NEAR(fc.a.median, eigenvalues[2], 1e-12);
  EXPECT_NEAR(fc.a.condition, eigenvalues.back() / eigenvalues.front(),
              1e-6 * fc.a.condition);
  const Tensor g_now = net->fc.matrix_g() * 36.0;  // N^2
  const Doubles of_g = linalg::eigh(g_now)->values.to_vector<double>();
  EXPECT_NEAR(fc.g.most, of_g.back(), 1e-12);
  const LayerCurvature state = thor.curvature()[2];
  EXPECT_EQ(fc.g.damping, state.damping.g);
  EXPECT_NEAR(fc.g.damping_share,
              state.damping.g / (state.damping.g + fc.g.mean), 1e-12);
  double below = 0.0;
  for (const double v : of_g) below += v < state.damping.g ? 1.0 / 3 : 0.0;
  EXPECT_NEAR(fc.g.drowned, below, 1e-12);

  // G^-1 g A^-1 with the inverses in use
  const Tensor gradient = net->fc.weight.grad();
  const Tensor step = linalg::matmul(
      linalg::matmul(thor.inverse_g("fc"), gradient), thor.inverse_a("fc"));
  EXPECT_NEAR(fc.cosine_to_gradient,
              cosine(step.to_vector<double>(), gradient.to_vector<double>()),
              1e-10);

  // (F + lambda I)^-1 g, F of the last layer's weight from samples
  const std::int64_t p = 15;
  const Tensor f = Tensor::zeros({p, p}, {DType::F64});
  for (const auto& [name, rows] :
       per_sample_gradients(*net, mean_loss(), batch_of(data))) {
    if (name != "fc.weight") continue;
    const Doubles values = rows.to_vector<double>();
    for (std::int64_t n = 0; n < 6; ++n) {
      for (std::int64_t i = 0; i < p; ++i) {
        for (std::int64_t j = 0; j < p; ++j) {
          f.mutable_data<double>()[i * p + j] +=
              values[static_cast<std::size_t>(n * p + i)] *
              values[static_cast<std::size_t>(n * p + j)] / 6;
        }
      }
    }
  }
  for (std::int64_t i = 0; i < p; ++i) {
    f.mutable_data<double>()[i * (p + 1)] += 0.02;
  }
  const auto exact = linalg::solve(f, reshape(gradient, {p}));
  EXPECT_NEAR(fc.cosine_to_exact,
              cosine(step.to_vector<double>(), exact->to_vector<double>()),
              1e-9);
  const std::string table = report.str();
  EXPECT_THAT(table, HasSubstr("cos g"));
  EXPECT_THAT(table, HasSubstr("\nfc "));
  std::istringstream lines(table);
  int seconds = 0;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 80U) << line;
    seconds += line.find(" G ") != std::string::npos && line[0] == ' ' ? 1 : 0;
  }
  EXPECT_EQ(seconds, 3);  // lines of G
  std::istringstream narrow(report.str(40));
  for (std::string line; std::getline(narrow, line);) {
    EXPECT_LE(line.size(), 40U) << line;
  }
}

TEST(CurvatureReport, LeavesModelAndOptimizerAsTheyWere) {
  const auto run = [](bool report) {
    const auto net = make_net();
    Thor thor(*net, small_options());
    for (int i = 0; i < 4; ++i) {
      train(*net, thor, 1);
      if (report) {
        curvature_report(*net, mean_loss(), batch_of(random_data(3, 9)), thor);
      }
    }
    return weights_of(*net);
  };
  EXPECT_EQ(run(true), run(false));
}

TEST(CurvatureReport, BeforeTheFirstRefreshThereIsNoUpdate) {
  const auto net = make_net();
  Thor thor(*net, small_options());
  const CurvatureReport report =
      curvature_report(*net, mean_loss(), batch_of(random_data(3, 9)), thor);
  for (const LayerReport& l : report.layers) {
    EXPECT_EQ(l.age, -1);
    EXPECT_TRUE(std::isnan(l.cosine_to_gradient));
    EXPECT_EQ(l.a.damping, 0.0);
    EXPECT_GT(l.a.most, 0.0);
  }
}

TEST(CurvatureReport, ComparesNoLargeLayerAndRefusesAnEmptyBatch) {
  const auto net = make_net();
  Thor thor(*net, small_options());
  train(*net, thor, 1);
  ReportOptions options;
  options.exact_up_to = 72;  // conv1 has 4 x 18, conv2 5 x 24
  const CurvatureReport report = curvature_report(
      *net, mean_loss(), batch_of(random_data(3, 9)), thor, options);
  EXPECT_FALSE(std::isnan(report.layers[0].cosine_to_exact));
  EXPECT_TRUE(std::isnan(report.layers[1].cosine_to_exact));
  Batch empty;
  empty.images = Tensor::zeros({0, 3, 5, 6}, {DType::F64});
  EXPECT_THROW(curvature_report(*net, mean_loss(), empty, thor), ValueError);
}

}  // namespace
}  // namespace mjolnir::optim
