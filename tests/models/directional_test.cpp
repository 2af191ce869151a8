// The derivative of a whole ResNet's loss along random directions.
#include <memory>

#include <mjolnir/core/ops/loss.h>
#include <mjolnir/models/resnet.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using testing::values_of;

models::ResNetOptions options_of(DType dtype) {
  models::ResNetOptions options;
  options.depth = 20;
  options.width = 5;
  options.in_channels = 2;
  options.classes = 6;
  options.dtype = dtype;
  return options;
}

struct Problem {
  Generator rng{1};
  models::ResNet net{options_of(DType::F64), rng};
  Tensor x = testing::random_f64({4, 2, 12, 11}, rng);
  Tensor labels = Tensor::from(std::vector<std::int64_t>{5, 0, 3, 3}, {4});

  double loss() {
    const NoGrad no_grad;
    return cross_entropy(net(x), labels).item();
  }

  /** d loss / d step along the directions: central differences. The step is
   * so small that no relu crosses its kink on the way, which would cost that
   * unit's whole share; rounding of the loss, 1e-16, leaves 1e-7. */
  double slope(const std::vector<Tensor>& directions) {
    const double step = 2e-9;
    const auto move = [&](double by) {
      std::size_t i = 0;
      for (const Tensor& w : net.parameters()) {
        const std::vector<double> d = values_of(directions[i++]);
        std::vector<double> v = values_of(w);
        for (std::size_t k = 0; k < v.size(); ++k) v[k] += by * d[k];
        w.copy_from(Tensor::from(v, w.shape()));
      }
    };
    std::vector<Tensor> before;
    for (const Tensor& w : net.parameters()) before.push_back(w.clone());
    move(step);
    const double above = loss();
    move(-2 * step);
    const double below = loss();
    for (std::size_t i = 0; i < before.size(); ++i)
      net.parameters()[i].copy_from(before[i]);
    return (above - below) / (2 * step);
  }
};

double product(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::vector<double> x = values_of(a[i]);
    const std::vector<double> y = values_of(b[i]);
    for (std::size_t k = 0; k < x.size(); ++k) sum += x[k] * y[k];
  }
  return sum;
}

TEST(ResNetGradient, IsTheSlopeAlongTwentyDirections) {
  Problem problem;
  // The same net in f32, from the same numbers.
  Generator rng(1);
  models::ResNet single(options_of(DType::F32), rng);
  std::vector<NamedTensor> state;
  for (const auto& [name, t] : problem.net.state())
    state.emplace_back(name, t.dtype() == DType::I64 ? t : t.to(DType::F32));
  single.load_state(state);
  // Both start from what f32 can hold.
  std::vector<NamedTensor> rounded;
  for (const auto& [name, t] : single.state())
    rounded.emplace_back(name, t.dtype() == DType::I64 ? t : t.to(DType::F64));
  problem.net.load_state(rounded);
  problem.x = problem.x.to(DType::F32).to(DType::F64);

  cross_entropy(problem.net(problem.x), problem.labels).backward();
  cross_entropy(single(problem.x.to(DType::F32)), problem.labels).backward();
  std::vector<Tensor> gradients;
  std::vector<Tensor> single_gradients;
  for (const Tensor& w : problem.net.parameters())
    gradients.push_back(w.grad());
  for (const Tensor& w : single.parameters())
    single_gradients.push_back(w.grad());
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<Tensor> directions;
    for (const Tensor& w : problem.net.parameters())
      directions.push_back(testing::random_f64(w.shape(), rng));
    const double numeric = problem.slope(directions);
    EXPECT_NEAR(product(gradients, directions), numeric,
                1e-5 * std::abs(numeric));
    EXPECT_NEAR(product(single_gradients, directions), numeric,
                2e-3 * std::abs(numeric));
  }
}

}  // namespace
}  // namespace mjolnir
