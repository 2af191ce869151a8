#include <mjolnir/core/denormals.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/core/random.h>
#include <mjolnir/core/threads.h>

namespace mjolnir {
namespace {

// The product is subnormal: 1e-20 * 1e-20.
Tensor tiny_products(std::int64_t n) {
  return mul(Tensor::full({n}, 1e-20), Tensor::full({n}, 1e-20));
}

TEST(FlushDenormals, FlushesOnEveryThreadAndRestores) {
  const std::int64_t n = 1 << 18;  // enough for several threads
  const std::vector<float> before = tiny_products(n).to_vector<float>();
  EXPECT_GT(*std::min_element(before.begin(), before.end()), 0.0f);
#if defined(__SSE2__)
  {
    const FlushDenormals scope;
    const std::vector<float> inside = tiny_products(n).to_vector<float>();
    EXPECT_EQ(*std::max_element(inside.begin(), inside.end()), 0.0f);
    {
      const FlushDenormals nested;
      EXPECT_EQ(tiny_products(1).item(), 0.0);
    }
    EXPECT_EQ(tiny_products(1).item(), 0.0);
  }
#endif
  EXPECT_EQ(tiny_products(n).to_vector<float>(), before);
}

// The fastest of a few steps of a small network whose weights are `scale`.
double step_time(double scale) {
  Generator rng(3);
  const Tensor x = uniform({64, 256}, 0.5, 1.5, rng);
  const Tensor w = uniform({256, 256}, scale / 2, scale, rng);
  w.set_requires_grad(true);
  double best = 1e9;
  for (int i = 0; i < 12; ++i) {
    const auto start = std::chrono::steady_clock::now();
    w.zero_grad();
    sum(relu(linear(relu(linear(x, w)), w))).backward();
    const std::chrono::duration<double> took =
        std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return best;
}

TEST(FlushDenormals, AStepWithSubnormalWeightsIsNotSlow) {
  const int threads = num_threads();
  set_num_threads(1);
  const FlushDenormals scope;
  const double normal_time = step_time(0.1);
  EXPECT_LT(step_time(1e-39), 3.0 * normal_time);
  set_num_threads(threads);
}

}  // namespace
}  // namespace mjolnir
