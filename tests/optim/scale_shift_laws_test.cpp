// What scale_shift does to the step, and what must not change it.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include <mjolnir/core/linalg.h>
#include <mjolnir/curvature/fisher.h>

#include "tests/optim/scale_shift_net.h"

namespace mjolnir::optim {
namespace {

using namespace scale_shift_tests;

/** (F + lambda I)^-1 g of the pairs (i, units + i) of a (2 units, 2 units)
 * matrix. */
Doubles solved_pairs(const Tensor& fisher, const Doubles& g, double lambda) {
  const auto units = static_cast<std::int64_t>(g.size() / 2);
  const double* f = fisher.data<double>();
  Doubles step(g.size());
  for (std::int64_t i = 0; i < units; ++i) {
    const std::int64_t j = units + i, n = 2 * units;
    const Tensor block =
        Tensor::from<double>({f[i * n + i] + lambda, f[i * n + j], f[j * n + i],
                              f[j * n + j] + lambda},
                             {2, 2});
    const auto a = static_cast<std::size_t>(i), b = static_cast<std::size_t>(j);
    const Doubles x =
        linalg::solve(block, Tensor::from<double>({g[a], g[b]}, {2}))
            ->to_vector<double>();
    step[a] = x[0];
    step[b] = x[1];
  }
  return step;
}

Doubles gradients_of(const Module& module) {
  Doubles all;
  for (const Tensor& p : module.parameters()) {
    for (const double v : p.grad().to_vector<double>()) all.push_back(v);
  }
  return all;
}

// fisher_matrix() shares nothing with the observer: per-sample backward passes.
TEST(ScaleShiftLaws, DividesByTheBlocksOfTheFisherMatrix) {
  NormNet net;
  const Data data = norm_data(5);
  const Batch batch{data.x, data.y};
  const Tensor fisher =
      fisher_matrix(net, Likelihood::Categorical, batch, FisherKind::Empirical);
  for (const double lambda : {0.01, 1.0}) {
    NormNet fresh;
    const Doubles step = step_of(fresh, plain_options(lambda), [&] {
      cross_entropy(fresh(data.x), data.y).backward();
    });
    EXPECT_LT(
        relative_error(step, solved_pairs(fisher, gradients_of(fresh), lambda)),
        1e-10);
  }
}

// E_y over all targets, each in a pass whose samples weigh sqrt(p_y): the
// blocks of the exact Fisher matrix.
TEST(ScaleShiftLaws, SumsOverAllTargetsAreTheExactFisherMatrix) {
  NormNet net;
  const Data data = norm_data(6);
  const Batch batch{data.x, data.y};
  const Tensor fisher =
      fisher_matrix(net, Likelihood::Categorical, batch, FisherKind::Exact);
  const auto observer = std::make_shared<ScaleShiftObserver>();
  const ObservationHandle handle = net.norm.observe(observer);
  for (std::int64_t k = 0; k < 4; ++k) {
    const Tensor z = net(data.x);
    const Tensor p = slice(softmax(z, 1).detach(), 1, k, k + 1);
    const Tensor labels =
        Tensor::from<std::int64_t>(std::vector<std::int64_t>(6, k), {6});
    const Tensor losses = sample_losses(Likelihood::Categorical, z, labels);
    sum(losses * sqrt(reshape(p, {6}))).backward();
  }
  const ScaleShiftSums sums = observer->sums();
  const double* f = fisher.data<double>();
  for (std::int64_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(sums.scale_scale.data<double>()[i] / 6, f[i * 8 + i], 1e-12);
    EXPECT_NEAR(sums.scale_shift.data<double>()[i] / 6, f[i * 8 + i + 4],
                1e-12);
    EXPECT_NEAR(sums.shift_shift.data<double>()[i] / 6, f[(i + 4) * 9], 1e-12);
  }
}

TEST(ScaleShiftLaws, NeitherCopiesNorHalvesNorUnitsNorReductionMatter) {
  const Data data = norm_data(7);
  const auto part = [&](std::int64_t a, std::int64_t b) {
    return Data{slice(data.x, 0, a, b), slice(data.y, 0, a, b)};
  };
  NormNet net;
  const Doubles step = step_of(net, plain_options(), [&] {
    cross_entropy(net(data.x), data.y).backward();
  });
  NormNet thrice;
  EXPECT_LT(
      relative_error(step_of(thrice, plain_options(),
                             [&] {
                               cross_entropy(
                                   thrice(concat({data.x, data.x, data.x}, 0)),
                                   concat({data.y, data.y, data.y}, 0))
                                   .backward();
                             }),
                     step),
      1e-12);
  NormNet halves;
  EXPECT_LT(
      relative_error(
          step_of(halves, plain_options(),
                  [&] {
                    const Data a = part(0, 2), b = part(2, 6);
                    (cross_entropy(halves(a.x), a.y) * (2.0 / 6)).backward();
                    (cross_entropy(halves(b.x), b.y) * (4.0 / 6)).backward();
                  }),
          step),
      1e-12);
  NormNet scaled;
  ThorOptions declared = plain_options();
  declared.loss_scale = 1024.0;
  EXPECT_LT(
      relative_error(
          step_of(scaled, declared,
                  [&] {
                    (cross_entropy(scaled(data.x), data.y) * 1024.0).backward();
                  }),
          step),
      1e-12);
  // A loss in other units, said to nobody: F is c^2 times as large, and so must
  // lambda be.
  NormNet other;
  const double c = 8.0;
  Doubles larger = step_of(other, plain_options(0.01 * c * c), [&] {
    (cross_entropy(other(data.x), data.y) * c).backward();
  });
  for (double& v : larger) v *= c;
  EXPECT_LT(relative_error(larger, step), 1e-12);
}

TEST(ScaleShiftLaws, OfASumReducedLossIsThatOfItsMean) {
  const Data data = mixed_data(8);
  const auto run = [&](Reduction reduction) {
    const auto net = make_mixed();
    ThorOptions options = plain_options();
    options.loss_reduction =
        reduction == Reduction::Sum ? LossReduction::Sum : LossReduction::Mean;
    CrossEntropyOptions loss;
    loss.reduction = reduction;
    return step_of(*net, options, [&] {
      cross_entropy((*net)(data.x), data.y, loss).backward();
    });
  };
  EXPECT_LT(relative_error(run(Reduction::Sum), run(Reduction::Mean)), 1e-12);
}

TEST(ScaleShiftLaws, IsBoundedInItsOwnMetric) {
  NormNet net;
  const Data data = norm_data(15);
  const Batch batch{data.x, data.y};
  const Tensor fisher =
      fisher_matrix(net, Likelihood::Categorical, batch, FisherKind::Empirical);
  ThorOptions options = plain_options(0.01);
  options.norm_constraint = 1e-4;
  const Doubles step = step_of(
      net, options, [&] { cross_entropy(net(data.x), data.y).backward(); });
  // <x, (F + lambda I) x> over the pairs of the step
  const double* f = fisher.data<double>();
  double energy = 0.0;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t j = i + 4;
    energy += step[i] * step[i] * (f[i * 8 + i] + 0.01) +
              2 * step[i] * step[j] * f[i * 8 + j] +
              step[j] * step[j] * (f[j * 8 + j] + 0.01);
  }
  EXPECT_NEAR(energy, 1e-4, 1e-14);
}

}  // namespace
}  // namespace mjolnir::optim
