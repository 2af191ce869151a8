// What the cases of the reductions leave open: size, order, sharing.

#include <gtest/gtest.h>

#include <cmath>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/core/random.h>
#include <mjolnir/core/threads.h>

#include <mjolnir/core/backend.h>

namespace mjolnir {
namespace {

TEST(Reduce, TenMillionTenthsAddUp) {
  // A float accumulator gives 1,087,937 for 10^7 times 0.1.
  const std::int64_t n = 10000000;
  const double truth = static_cast<double>(0.1f) * static_cast<double>(n);
  const Tensor x = Tensor::full({n}, 0.1);
  EXPECT_NEAR(sum(x).item(), truth, 1e-6 * truth);
  EXPECT_NEAR(mean(x).item(), 0.1f, 1e-7);
  const Tensor columns = reshape(x, {n / 4, 4});
  for (const float total : sum(columns, {0}).to_vector<float>()) {
    EXPECT_NEAR(total, truth / 4, 1e-6 * truth);
  }
  const Tensor rows = reshape(x, {4, n / 4});
  for (const float total : sum(rows, {1}).to_vector<float>()) {
    EXPECT_NEAR(total, truth / 4, 1e-6 * truth);
  }
}

TEST(Reduce, LargeSumsAreTheSameBitsEachTimeForAnyThreadCount) {
  Generator rng(3);
  const Tensor x = normal({300, 1000}, 0, 1, rng);
  const int threads = num_threads();
  for (const int count : {1, 2, 4}) {
    set_num_threads(count);
    for (const Axes& axes : {Axes{0}, Axes{1}, Axes{0, 1}}) {
      const std::vector<float> first = sum(x, axes).to_vector<float>();
      for (int repeat = 0; repeat < 5; ++repeat) {
        EXPECT_EQ(sum(x, axes).to_vector<float>(), first);
      }
    }
  }
  set_num_threads(threads);
}

// Every set of axes of a rank-4 tensor that is large enough to be cut in
// slices and blocks of columns, against one loop in double.
TEST(Reduce, EverySetOfAxesOfALargeTensor) {
  const std::int64_t lengths[4] = {3, 700, 5, 9};
  const Shape shape{3, 700, 5, 9};
  Generator rng(4);
  const Tensor x = uniform(shape, -1, 1, rng);
  const std::vector<float> values = x.to_vector<float>();
  for (int set = 0; set < 16; ++set) {
    Axes axes;
    std::vector<std::size_t> strides(4, 0);
    std::size_t outputs = 1;
    for (int i = 3; i >= 0; --i) {
      if (set >> i & 1) {
        axes.push_back(i);
      } else {
        strides[static_cast<std::size_t>(i)] = outputs;
        outputs *= static_cast<std::size_t>(lengths[i]);
      }
    }
    std::vector<double> truth(outputs, 0.0), sizes(outputs, 0.0);
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::size_t rest = i, out = 0;
      for (int axis = 3; axis >= 0; --axis) {
        const auto length = static_cast<std::size_t>(lengths[axis]);
        out += rest % length * strides[static_cast<std::size_t>(axis)];
        rest /= length;
      }
      truth[out] += values[i];
      sizes[out] += std::abs(values[i]);
    }
    for (const Layout layout : {Layout::RowMajor, Layout::ChannelsLast}) {
      const std::vector<float> got = sum(x.to(layout), axes).to_vector<float>();
      ASSERT_EQ(got.size(), outputs);
      for (std::size_t i = 0; i < outputs; ++i) {
        ASSERT_NEAR(got[i], truth[i], 1.2e-7 * sizes[i] + 1e-12)
            << "axes " << Shape(axes).str() << " element " << i;
      }
    }
  }
}

TEST(Reduce, OfNothing) {
  const Tensor x = Tensor::ones({0, 3});
  EXPECT_EQ(sum(x).item(), 0.0);
  EXPECT_TRUE(std::isnan(mean(x).item()));
  EXPECT_EQ(sum(x, {0}).to_vector<float>(), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(sum(x, {1}).shape(), Shape{0});
  EXPECT_THROW(max(x), ShapeError);
  EXPECT_THROW(argmax(x, 0), ShapeError);
  EXPECT_EQ(argmax(x, 1).shape(), Shape{0});
  EXPECT_EQ(max(x, {1}).shape(), Shape{0});
}

TEST(Reduce, OfAScalar) {
  const Tensor x = Tensor::scalar(3.0);
  EXPECT_EQ(sum(x).item(), 3.0);
  EXPECT_EQ(mean(x, {}).item(), 3.0);
  EXPECT_EQ(max(x).item(), 3.0);
  EXPECT_THROW(sum(x, {0}), ShapeError);
}

TEST(Reduce, VarianceOfTooFewElementsIsNotANumber) {
  EXPECT_TRUE(std::isnan(var(Tensor::ones({1}), {0}).item()));
  // The count less the correction is 0, and below 0.
  for (const std::int64_t correction : {2, 3}) {
    VarOptions options;
    options.correction = correction;
    const Tensor x = Tensor::from<double>({1, 3}, {2});
    EXPECT_TRUE(std::isnan(var(x, {0}, options).item())) << correction;
  }
  VarOptions population;
  population.correction = 0;
  EXPECT_EQ(var(Tensor::ones({1}), {0}, population).item(), 0.0);
}

TEST(Reduce, VarianceSurvivesALargeMean) {
  const Tensor x = Tensor::from<float>({10000, 10001, 10002, 10003}, {4});
  EXPECT_NEAR(var(x, {0}).item(), 5.0 / 3.0, 1e-6);
}

TEST(Reduce, SumsOfImagesConvertNothing) {
  const Tensor x =
      Tensor::ones({2, 3, 4, 5}, {DType::F32, Layout::ChannelsLast});
  x.set_requires_grad(true);
  const std::int64_t before = layout_conversion_count();
  const Tensor y = sum(x, {0, 2, 3}) * Tensor::from<float>({1, 2, 3}, {3});
  sum(y).backward();
  mean(x, {2, 3}, true);
  mean(x);
  EXPECT_EQ(layout_conversion_count(), before);
  EXPECT_EQ(x.grad().layout(), Layout::ChannelsLast);
  EXPECT_EQ(slice(x.grad(), 1, 2, 3).to_vector<float>(),
            std::vector<float>(40, 3.0f));
}

}  // namespace
}  // namespace mjolnir
