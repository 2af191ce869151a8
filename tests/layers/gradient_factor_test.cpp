// G of convolutions against its definition, over random configurations.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <mjolnir/core/linalg.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/core/random.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/layers/conv2d.h>
#include <mjolnir/layers/factors.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using testing::relative_error;
using testing::values_of;

std::int64_t between(Generator& rng, std::int64_t low, std::int64_t high) {
  return low + std::int64_t(rng.below(std::uint64_t(high - low + 1)));
}

/** A convolution of small images, and the shape of its input. */
struct Case {
  explicit Case(Generator& rng) {
    options.kernel = Pair(between(rng, 1, 7), between(rng, 1, 7));
    options.stride = Pair(between(rng, 1, 3), between(rng, 1, 3));
    options.dilation = Pair(between(rng, 1, 3), between(rng, 1, 3));
    options.padding = Padding(between(rng, 0, 3), between(rng, 0, 3),
                              between(rng, 0, 3), between(rng, 0, 3));
    options.bias = false;
    switch (between(rng, 0, 2)) {
      case 0:  // groups
        options.groups = between(rng, 2, 5);
        options.in = options.groups * between(rng, 1, 8);
        options.out = options.groups * between(rng, 1, 8);
        break;
      case 1:  // depthwise, one or two filters per channel
        options.in = options.groups = between(rng, 2, 40);
        options.out = options.in * (options.in <= 20 ? between(rng, 1, 2) : 1);
        break;
      default:
        options.in = between(rng, 1, 40);
        options.out = between(rng, 1, 40);
        break;
    }
    const std::int64_t reach_h = (options.kernel.h - 1) * options.dilation.h;
    const std::int64_t reach_w = (options.kernel.w - 1) * options.dilation.w;
    const std::int64_t h = reach_h + between(rng, 1, 6);
    std::int64_t w = reach_w + between(rng, 1, 6);
    if (h == w) ++w;
    shape = {between(rng, 1, 5), options.in, h, w};
  }
  Conv2dOptions options;
  Shape shape;
};

/** S_G (groups, n, n), n = O / groups, of dout (N,O,H,W) in logical order. */
std::vector<double> definition(const std::vector<double>& dout,
                               const Shape& shape, std::int64_t groups) {
  const auto n = std::size_t(shape[1] / groups);
  const auto map = std::size_t(shape[2] * shape[3]);
  std::vector<double> sums(std::size_t(groups) * n * n, 0.0);
  for (std::size_t sample = 0; sample < std::size_t(shape[0]); ++sample)
    for (std::size_t g = 0; g < std::size_t(groups); ++g)
      for (std::size_t t = 0; t < map; ++t)
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t j = 0; j < n; ++j) {
            const std::size_t first = sample * std::size_t(shape[1]) + g * n;
            sums[(g * n + i) * n + j] +=
                dout[(first + i) * map + t] * dout[(first + j) * map + t];
          }
  return sums;
}

/** Smallest over largest eigenvalue, the worst of the groups. */
double least_share(const Tensor& sums) {
  const std::int64_t n = sums.size(-1);
  const Tensor all = reshape(sums, {-1, n, n});
  double least = 1.0;
  for (std::int64_t g = 0; g < all.size(0); ++g) {
    const auto basis = linalg::eigh(reshape(slice(all, 0, g, g + 1), {n, n}));
    const std::vector<double> values = values_of(basis->values);
    least = std::min(least, values.front() / values.back());
  }
  return least;
}

TEST(GradientFactor, IsTheDefinitionOnRandomConfigurations) {
  const int threads = num_threads();
  set_num_threads(1);  // layers too small to share
  Generator rng(31);
  int grouped = 0;
  for (int trial = 0; trial < 500; ++trial) {
    Case c(rng);
    grouped += c.options.groups > 1 ? 1 : 0;
    std::vector<double> expected;
    for (const DType dtype : {DType::F32, DType::F64}) {
      c.options.dtype = dtype;
      Generator same(static_cast<std::uint64_t>(trial));
      Conv2d conv(c.options, same);
      conv.enable_factors();
      conv.collect(Collect::Factors);
      const Tensor x = normal(c.shape, 0, 1, same, {DType::F32}).to(dtype);
      const Tensor y = conv(x);
      // The f64 numbers are those of the f32 gradient.
      const Tensor dout =
          normal(y.shape(), 0.2, 1, same, {DType::F32}).to(dtype);
      sum(y * dout).backward();
      if (expected.empty()) {
        expected = definition(values_of(dout), dout.shape(), c.options.groups);
      }
      const FactorSums& sums = conv.factors()->sums();
      const double eps = dtype == DType::F32 ? 1.2e-7 : 2.3e-16;
      SCOPED_TRACE(conv.describe() + " " + c.shape.str() + " " +
                   name_of(dtype));
      // f32 rounds products and sums of at most 500 terms, each to 6e-8.
      ASSERT_LE(relative_error(values_of(sums.g), expected),
                dtype == DType::F32 ? 2e-6 : 1e-12);
      ASSERT_GE(least_share(sums.g), -8 * eps);
      ASSERT_EQ(sums.positions_g, y.numel() / y.size(1));
      // matrix_g() is their mean.
      std::vector<double> mean = expected;
      for (double& v : mean) v /= double(sums.positions_g);
      ASSERT_LE(relative_error(values_of(curvature(conv).matrix_g()), mean),
                dtype == DType::F32 ? 2e-6 : 1e-12);
    }
  }
  set_num_threads(threads);
  EXPECT_GE(grouped, 200);
}

}  // namespace
}  // namespace mjolnir
