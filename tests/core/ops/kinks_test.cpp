// The rows of docs/kinks.md.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/geometry.h>
#include <mjolnir/core/ops.h>

namespace mjolnir {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// f32 on the fast and the reference kernels, and f64.
class Kinks : public ::testing::TestWithParam<int> {
 protected:
  Kinks() : scope_(GetParam() == 1 ? Backend::Reference : Backend::Auto) {}

  static Tensor leaf(const std::vector<double>& values, Shape shape = {}) {
    if (shape.rank() == 0) {
      shape = {static_cast<std::int64_t>(values.size())};
    }
    const Tensor x = Tensor::from(values, shape)
                         .to(GetParam() == 2 ? DType::F64 : DType::F32);
    x.set_requires_grad(true);
    return x;
  }

  static std::vector<double> numbers(const Tensor& x) {
    return x.to(DType::F64).to_vector<double>();
  }

  // Gradient of the sum of y with respect to x.
  static std::vector<double> slope(const Tensor& y, const Tensor& x) {
    GradOptions options;
    options.retain_graph = true;
    const std::vector<double> fused = numbers(grad({sum(y)}, {x}, options)[0]);
    options.create_graph = true;
    const std::vector<double> composed =
        numbers(grad({sum(y)}, {x}, options)[0].detach());
    EXPECT_EQ(fused, composed) << "with and without create_graph";
    return fused;
  }

 private:
  ScopedBackend scope_;
};

INSTANTIATE_TEST_SUITE_P(Kernels, Kinks, ::testing::Values(0, 1, 2),
                         [](const auto& info) {
                           return std::string(info.param == 0   ? "fast"
                                              : info.param == 1 ? "reference"
                                                                : "f64");
                         });

using Numbers = std::vector<double>;

TEST_P(Kinks, ReluAtZeroHasSlopeZero) {
  const Tensor x = leaf({0.0, -0.0, 1.0, -1.0});
  EXPECT_EQ(slope(relu(x), x), (Numbers{0, 0, 1, 0}));
}

TEST_P(Kinks, LeakyReluAtZeroHasItsNegativeSlope) {
  const Tensor x = leaf({0.0, 2.0});
  EXPECT_EQ(slope(leaky_relu(x, 0.25), x), (Numbers{0.25, 1}));
}

TEST_P(Kinks, AbsAtZeroHasSlopeZero) {
  const Tensor x = leaf({0.0, -0.0, 3.0, -3.0});
  EXPECT_EQ(slope(abs(x), x), (Numbers{0, 0, 1, -1}));
}

TEST_P(Kinks, ClampAtBothEdgesHasSlopeZero) {
  const Tensor x = leaf({-1.0, 0.5, 2.0, -1.5, 2.5});
  EXPECT_EQ(slope(clamp(x, -1.0, 2.0), x), (Numbers{0, 1, 0, 0, 0}));
  EXPECT_EQ(numbers(clamp(x, -1.0, 2.0)), (Numbers{-1, 0.5, 2, -1, 2}));
}

TEST_P(Kinks, TiesOfMaximumAndMinimumGoToTheFirst) {
  const Tensor a = leaf({1.0, 2.0, 3.0}), b = leaf({1.0, 3.0, 2.0});
  EXPECT_EQ(slope(maximum(a, b), a), (Numbers{1, 0, 1}));
  EXPECT_EQ(slope(maximum(a, b), b), (Numbers{0, 1, 0}));
  EXPECT_EQ(slope(minimum(a, b), a), (Numbers{1, 1, 0}));
  EXPECT_EQ(slope(minimum(a, b), b), (Numbers{0, 0, 1}));
}

TEST_P(Kinks, TiesOfMaxGoToTheFirstInLogicalOrder) {
  const Tensor x = leaf({1, 3, 3, 2, 3, 1}, {2, 3});
  EXPECT_EQ(slope(max(x), x), (Numbers{0, 1, 0, 0, 0, 0}));
  EXPECT_EQ(slope(max(x, {1}), x), (Numbers{0, 1, 0, 0, 1, 0}));
  EXPECT_EQ(slope(max(x, {0}), x), (Numbers{0, 1, 1, 1, 0, 0}));
  EXPECT_EQ(argmax(x, 1).to_vector<std::int64_t>(),
            (std::vector<std::int64_t>{1, 1}));
}

TEST_P(Kinks, TiesOfMaxDoNotDependOnTheLayout) {
  // Two channels of 1x2 that all tie: channels-last has (0,1,0,0) before
  // (0,0,0,1), logical order does not.
  const Tensor x = leaf({1, 5, 5, 2}, {1, 2, 1, 2});
  const Tensor y = max(x.to(Layout::ChannelsLast));
  EXPECT_EQ(slope(y, x), (Numbers{0, 1, 0, 0}));
}

TEST_P(Kinks, TiesOfPoolingGoToTheFirst) {
  const Tensor x = leaf({4, 4, 1, 4}, {1, 1, 2, 2});
  Conv2dGeometry window;
  window.kernel_h = window.kernel_w = 2;
  EXPECT_EQ(slope(max_pool2d(x, window), x), (Numbers{1, 0, 0, 0}));
}

TEST_P(Kinks, SqrtAtZeroIsInfinitelySteep) {
  const Tensor x = leaf({0.0, 4.0});
  EXPECT_EQ(slope(sqrt(x), x), (Numbers{kInf, 0.25}));
}

TEST_P(Kinks, PowAtZero) {
  const Tensor x = leaf({0.0});
  EXPECT_EQ(slope(pow(x, 3.0), x), Numbers{0});
  EXPECT_EQ(slope(pow(x, 2.0), x), Numbers{0});
  EXPECT_EQ(slope(pow(x, 1.0), x), Numbers{1});
  EXPECT_EQ(slope(pow(x, 0.5), x), Numbers{kInf});
  EXPECT_EQ(slope(pow(x, 0.0), x), Numbers{0});
  EXPECT_EQ(numbers(pow(x, 0.0)), Numbers{1});
}

TEST_P(Kinks, PowOfTensorsAtZero) {
  const Tensor x = leaf({0, 0, 0, 0}), y = leaf({0.0, 0.5, 1.0, 2.0});
  EXPECT_EQ(numbers(pow(x, y)), (Numbers{1, 0, 0, 0}));
  EXPECT_EQ(slope(pow(x, y), x), (Numbers{0, kInf, 1, 0}));
  EXPECT_EQ(slope(pow(x, y), y), (Numbers{0, 0, 0, 0}));
}

// Position 17 of 19 lies past the whole vectors of any instruction set.
TEST_P(Kinks, NanIsNeverLost) {
  using Function = std::function<Tensor(const Tensor&)>;
  const std::vector<std::pair<std::string, Function>> functions{
      {"relu", [](const Tensor& x) { return relu(x); }},
      {"leaky_relu", [](const Tensor& x) { return leaky_relu(x); }},
      {"abs", [](const Tensor& x) { return abs(x); }},
      {"clamp", [](const Tensor& x) { return clamp(x, -0.5, 0.5); }},
      {"maximum", [](const Tensor& x) { return maximum(x, x * 0.0); }},
      {"minimum", [](const Tensor& x) { return minimum(x, x * 0.0); }},
      {"maximum, second",
       [](const Tensor& x) { return maximum(Tensor::ones_like(x), x); }},
      {"minimum, second",
       [](const Tensor& x) { return minimum(Tensor::zeros_like(x), x); }},
      {"sigmoid", [](const Tensor& x) { return sigmoid(x); }},
      {"tanh", [](const Tensor& x) { return tanh(x); }},
      {"softplus", [](const Tensor& x) { return softplus(x); }},
      {"silu", [](const Tensor& x) { return silu(x); }},
      {"gelu", [](const Tensor& x) { return gelu(x); }},
      {"exp", [](const Tensor& x) { return exp(x); }},
  };
  for (const std::size_t at : {std::size_t{2}, std::size_t{17}}) {
    Numbers values(19, 0.25);
    values[at] = kNan;
    for (const auto& [name, f] : functions) {
      const Numbers y = numbers(f(leaf(values)));
      for (std::size_t i = 0; i < y.size(); ++i) {
        EXPECT_EQ(std::isnan(y[i]), i == at) << name << " at " << i;
      }
    }
    const Tensor x = leaf(values);
    EXPECT_TRUE(std::isnan(max(x).item()));
    EXPECT_TRUE(std::isnan(sum(x).item()));
    EXPECT_EQ(argmax(x, 0).item(), static_cast<double>(at));
    EXPECT_TRUE(std::isnan(numbers(softmax(x))[0]));
    EXPECT_TRUE(std::isnan(numbers(log_softmax(x))[0]));
  }
}

TEST_P(Kinks, NanReachesTheLossFromAnyClass) {
  const Tensor labels = Tensor::from<std::int64_t>({0}, {1});
  for (const std::size_t at : {0, 1, 2}) {
    Numbers values{1, 2, 3};
    values[at] = kNan;
    const Tensor x = leaf(values, {1, 3});
    EXPECT_TRUE(std::isnan(cross_entropy(x, labels).item())) << at;
  }
}

TEST_P(Kinks, FunctionsOfExtremeArgumentsAreFinite) {
  const Tensor x = leaf({1e4, -1e4, 100, -100, 0});
  const Numbers s = numbers(sigmoid(x)), limits{1, 0, 1, 0, 0.5};
  for (std::size_t i = 0; i < s.size(); ++i)
    EXPECT_NEAR(s[i], limits[i], 1e-40);
  EXPECT_EQ(numbers(tanh(x)), (Numbers{1, -1, 1, -1, 0}));
  EXPECT_EQ(numbers(relu(x)), (Numbers{1e4, 0, 100, 0, 0}));
  for (const Tensor& y : {softplus(x), gelu(x), silu(x)}) {
    const Numbers values = numbers(y);
    EXPECT_EQ(values[0], 1e4);
    EXPECT_NEAR(values[1], 0.0, 1e-30);
    EXPECT_EQ(values[2], 100);
    EXPECT_NEAR(values[3], 0.0, 1e-30);
    for (const double g : slope(sum(y), x)) EXPECT_TRUE(std::isfinite(g));
  }
}

TEST_P(Kinks, CrossEntropyOfExtremeLogitsIsFiniteAndItsGradientSumsToZero) {
  const Tensor labels = Tensor::from<std::int64_t>({0, 1, 2, 0}, {4});
  const Tensor x =
      leaf({1e4, -1e4, 0, 1e4, -1e4, 0, 7, 7, 7, 1e4, 1e4, 1e4}, {4, 3});
  CrossEntropyOptions options;
  options.reduction = Reduction::None;
  const Numbers losses = numbers(cross_entropy(x, labels, options));
  EXPECT_EQ(losses[0], 0);
  EXPECT_EQ(losses[1], 2e4);
  EXPECT_NEAR(losses[2], std::log(3.0), 1e-6);
  EXPECT_NEAR(losses[3], std::log(3.0), 1e-6);
  for (const double smoothing : {0.0, 0.1}) {
    options.label_smoothing = smoothing;
    const Numbers g =
        numbers(grad({sum(cross_entropy(x, labels, options))}, {x})[0]);
    for (std::size_t n = 0; n < 4; ++n) {
      EXPECT_NEAR(g[n * 3] + g[n * 3 + 1] + g[n * 3 + 2], 0.0, 1e-6);
    }
  }
}

TEST_P(Kinks, CrossEntropyOfOneClassIsZero) {
  const Tensor x = leaf({1e4, -3.0}, {2, 1});
  const Tensor labels = Tensor::from<std::int64_t>({0, 0}, {2});
  const Tensor loss = cross_entropy(x, labels);
  EXPECT_EQ(loss.item(), 0.0);
  EXPECT_EQ(numbers(grad({loss}, {x})[0]), (Numbers{0, 0}));
}

TEST_P(Kinks, BinaryCrossEntropyOfExtremeLogitsIsFinite) {
  const Tensor x = leaf({1e4, 1e4, -1e4, -1e4});
  const Tensor t = leaf({1, 0, 1, 0}).detach();
  EXPECT_EQ(numbers(binary_cross_entropy_with_logits(x, t, Reduction::None)),
            (Numbers{0, 1e4, 1e4, 0}));
}

TEST_P(Kinks, SoftmaxOfExtremeNumbersIsADistribution) {
  const Tensor x = leaf({1e4, -1e4, 1e4, -1e4}, {1, 4});
  EXPECT_EQ(numbers(softmax(x)), (Numbers{0.5, 0, 0.5, 0}));
  const Numbers logs = numbers(log_softmax(x));
  EXPECT_NEAR(logs[0], -std::log(2.0), 1e-7);
  EXPECT_NEAR(logs[1], -2e4 - std::log(2.0), 2e-3);
}

}  // namespace
}  // namespace mjolnir
