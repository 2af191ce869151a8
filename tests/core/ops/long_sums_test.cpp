// Sums of so many f32 terms of one sign that a float would lose them, against
// 8 eps sqrt(K) of their sum.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops.h>

#include "core/kernels/pool.h"

namespace mjolnir {
namespace {

constexpr std::int64_t many = 1000000;

void expect_sum(double got, double truth, std::int64_t terms) {
  const double eps = std::numeric_limits<float>::epsilon();
  EXPECT_NEAR(got, truth, 8 * eps * std::sqrt(double(terms)) * truth);
}

TEST(LongSums, MeansOfLargeWindows) {
  Conv2dGeometry whole;
  whole.kernel_h = whole.kernel_w = 1000;
  const Tensor y = avg_pool2d(Tensor::full({1, 1, 1000, 1000}, 0.1), whole);
  expect_sum(y.item(), double(0.1f), many);
}

// One cell that every one of K windows holds.
kernels::ConvSizes one_cell(std::int64_t windows) {
  kernels::ConvSizes s;
  s.batch = s.in_h = s.in_w = s.in_channels = s.out_channels = 1;
  s.window.kernel_w = windows;
  s.window.pad_left = s.window.pad_right = windows - 1;
  return s;
}

TEST(LongSums, GradientsOfManyWindows) {
  const std::vector<float> dy(many, 0.1f);
  const std::vector<std::int64_t> index(many, 0);
  float dx = 0;
  kernels::max_pool_backward(one_cell(many), dy.data(), index.data(), &dx);
  expect_sum(dx, double(0.1f) * many, many);
  const std::int64_t fewer = 1 << 14;
  kernels::avg_pool_backward(one_cell(fewer), dy.data(), &dx);
  expect_sum(dx, double(0.1f), fewer);
}

TEST(LongSums, TheGradientOfARowThatIsLookedUpOften) {
  const Tensor weight = Tensor::ones({2, 1});
  weight.set_requires_grad(true);
  const Tensor ids = Tensor::ones({many}, {DType::I64});
  BackwardOptions options;
  options.gradient = Tensor::full({many, 1}, 0.1);
  embedding(weight, ids).backward(options);
  const std::vector<float> dw = weight.grad().to_vector<float>();
  EXPECT_EQ(dw[0], 0);
  expect_sum(dw[1], double(0.1f) * many, many);
}

TEST(LongSums, ScatteredToOnePlace) {
  const Tensor y = scatter_add(Tensor::full({3, 1}, 0.5), 0,
                               Tensor::ones({many, 1}, {DType::I64}),
                               Tensor::full({many, 1}, 0.1));
  const std::vector<float> values = y.to_vector<float>();
  EXPECT_EQ(values[0], 0.5f);
  expect_sum(values[1], 0.5 + double(0.1f) * many, many);
  EXPECT_EQ(values[2], 0.5f);
}

TEST(LongSums, ProductsOfOneRowAndOneColumn) {
  const Tensor row = Tensor::full({1, many}, 0.1);
  expect_sum(matmul(row, Tensor::ones({many, 1})).item(), double(0.1f) * many,
             many);
  expect_sum(linear(row, Tensor::ones({1, many})).item(), double(0.1f) * many,
             many);
}

}  // namespace
}  // namespace mjolnir
