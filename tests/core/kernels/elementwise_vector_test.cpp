// The vector loops of every instruction set that this CPU has.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/kernels/elementwise_vector.h"

namespace mjolnir::kernels {
namespace {

struct Variant {
  const char* name;
  const VectorLoops* loops;
};

std::vector<Variant> variants() {
  std::vector<Variant> result{{"baseline", &baseline_vector_loops()}};
  if (cpu_has_avx2()) result.push_back({"avx2", &avx2_vector_loops()});
  if (cpu_has_avx512()) result.push_back({"avx512", &avx512_vector_loops()});
  return result;
}

const Unary kAll[] = {
    Unary::Neg,     Unary::Affine, Unary::DivideBy,
    Unary::Exp,     Unary::Log,    Unary::Sqrt,
    Unary::Abs,     Unary::Relu,   Unary::LeakyRelu,
    Unary::Sigmoid, Unary::Tanh,   Unary::Softplus,
    Unary::Silu,    Unary::Gelu,   Unary::NormalDistribution,
    Unary::Clamp,   Unary::Square, Unary::Reciprocal,
};

// 37 numbers, so that every vector length leaves a rest.
std::vector<float> numbers(float low, float high) {
  std::vector<float> values(37);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = low + (high - low) * static_cast<float>(i * 11 % 37) / 37.0f;
  }
  return values;
}

void expect_close(const std::vector<float>& got,
                  const std::vector<double>& truth, double size) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], truth[i], 8 * 1.2e-7 * (std::abs(truth[i]) + size))
        << "element " << i;
  }
}

TEST(VectorLoops, AgreeWithTheReferenceInDouble) {
  const Constants constants{0.75, 1.25};
  for (const Variant& variant : variants()) {
    SCOPED_TRACE(variant.name);
    for (const Unary f : kAll) {
      SCOPED_TRACE(static_cast<int>(f));
      const bool positive = f == Unary::Log || f == Unary::Sqrt;
      const std::vector<float> x = numbers(positive ? 0.3f : -2.9f, 3.1f);
      const std::vector<float> dy = numbers(-1.0f, 1.0f);
      const std::vector<double> wide_x(x.begin(), x.end());
      const std::vector<double> wide_dy(dy.begin(), dy.end());
      const auto n = static_cast<std::int64_t>(x.size());
      std::vector<float> y(x.size());
      std::vector<double> truth(x.size());
      ASSERT_NE(variant.loops->map(f), nullptr);
      variant.loops->map(f)(constants, n, x.data(), y.data());
      map(f, constants, n, wide_x.data(), truth.data());
      // a x + b: the terms may cancel, |a x| + |b| <= |y| + 2 |b|.
      expect_close(y, truth, f == Unary::Affine ? 2 * 1.25 : 0.0);
      ASSERT_NE(variant.loops->map_gradient(f), nullptr);
      variant.loops->map_gradient(f)(constants, n, x.data(), dy.data(),
                                     y.data());
      map_gradient(f, constants, n, wide_x.data(), wide_dy.data(),
                   truth.data());
      expect_close(y, truth, 1.0);
    }
  }
}

TEST(VectorLoops, BinaryFunctionsInEveryStep) {
  using Scalar = double (*)(double, double);
  const std::pair<Binary, Scalar> functions[] = {
      {Binary::Add, [](double a, double b) { return a + b; }},
      {Binary::Sub, [](double a, double b) { return a - b; }},
      {Binary::Mul, [](double a, double b) { return a * b; }},
      {Binary::Div, [](double a, double b) { return a / b; }},
      {Binary::Maximum, [](double a, double b) { return a > b ? a : b; }},
      {Binary::Minimum, [](double a, double b) { return a < b ? a : b; }},
  };
  const std::vector<float> a = numbers(-2, 2), b = numbers(0.5f, 3);
  for (const Variant& variant : variants()) {
    SCOPED_TRACE(variant.name);
    for (const auto& [f, definition] : functions) {
      for (const int steps : {0, 1, 2, 3}) {
        const std::size_t sa = steps & 1, sb = steps >> 1;
        std::vector<float> y(a.size());
        std::vector<double> truth(a.size());
        variant.loops->zip(f)(1, 37, a.data(),
                              {0, static_cast<std::int64_t>(sa)}, b.data(),
                              {0, static_cast<std::int64_t>(sb)}, y.data());
        for (std::size_t i = 0; i < a.size(); ++i) {
          truth[i] = definition(a[i * sa], b[i * sb]);
        }
        expect_close(y, truth, 0.0);
      }
    }
  }
}

TEST(VectorLoops, BinaryFunctionsRowByRow) {
  // 3 rows of 11: b repeats its row, then a column of b does.
  const std::vector<float> a = numbers(-2, 2), b = numbers(0.5f, 3);
  for (const Variant& variant : variants()) {
    SCOPED_TRACE(variant.name);
    std::vector<float> y(33);
    variant.loops->zip(Binary::Sub)(3, 11, a.data(), {11, 1}, b.data(), {0, 1},
                                    y.data());
    for (std::size_t i = 0; i < 33; ++i) EXPECT_EQ(y[i], a[i] - b[i % 11]);
    variant.loops->zip(Binary::Sub)(3, 11, a.data(), {11, 1}, b.data(), {2, 0},
                                    y.data());
    for (std::size_t i = 0; i < 33; ++i) {
      EXPECT_EQ(y[i], a[i] - b[i / 11 * 2]);
    }
  }
}

TEST(VectorLoops, RowsOfExponentials) {
  for (const Variant& variant : variants()) {
    SCOPED_TRACE(variant.name);
    for (const std::int64_t n : {1, 7, 16, 37}) {
      std::vector<float> x = numbers(-80, 90), y(37);
      float largest = 0.0f;
      double truth = 0.0;
      const float top = *std::max_element(x.begin(), x.begin() + n);
      for (std::int64_t i = 0; i < n; ++i) {
        truth +=
            std::exp(static_cast<double>(x[static_cast<std::size_t>(i)]) - top);
      }
      const double total =
          variant.loops->exp_row(n, x.data(), y.data(), &largest);
      EXPECT_EQ(largest, top);
      EXPECT_NEAR(total, truth, 1e-6 * truth);
      EXPECT_EQ(*std::max_element(y.begin(), y.begin() + n), 1.0f);
      x[static_cast<std::size_t>(n) - 1] = std::nanf("");
      EXPECT_TRUE(
          std::isnan(variant.loops->exp_row(n, x.data(), y.data(), &largest)));
    }
  }
}

// Near both ends of what a float holds, subnormal results included.
TEST(VectorLoops, ExpCoversTheRangeOfFloat) {
  const std::vector<float> x{
      88.0f,  88.37f, 88.38f, 88.5f,  88.7f,  88.72f, -87.3f, -87.4f,
      -88.0f, -88.4f, -90.0f, -95.0f, -100.f, -103.f, 50.0f,  -50.0f,
  };
  const auto n = static_cast<std::int64_t>(x.size());
  const double tiny = std::numeric_limits<float>::denorm_min();
  for (const Variant& variant : variants()) {
    SCOPED_TRACE(variant.name);
    std::vector<float> y(x.size()), silu(x.size()), sigmoid(x.size());
    variant.loops->map(Unary::Exp)({}, n, x.data(), y.data());
    variant.loops->map(Unary::Silu)({}, n, x.data(), silu.data());
    variant.loops->map(Unary::Sigmoid)({}, n, x.data(), sigmoid.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double e = std::exp(static_cast<double>(x[i]));
      EXPECT_NEAR(y[i], e, 4 * 6e-8 * e + tiny) << "exp " << x[i];
      if (x[i] < -88.7f) continue;  // e^-x is beyond float
      const double s = e / (1 + e);
      EXPECT_NEAR(sigmoid[i], s, 6 * 6e-8 * s + tiny) << "sigmoid " << x[i];
      EXPECT_NEAR(silu[i], x[i] * s, 6 * 6e-8 * std::abs(x[i] * s) + tiny)
          << "silu " << x[i];
    }
    const std::vector<float> beyond{88.73f, 89.0f,   200.0f,
                                    3e38f,  -104.0f, -3e38f};
    std::vector<float> ends(beyond.size());
    variant.loops->map(Unary::Exp)({}, 6, beyond.data(), ends.data());
    const float inf = std::numeric_limits<float>::infinity();
    EXPECT_EQ(ends, (std::vector<float>{inf, inf, inf, inf, 0, 0}));
  }
}

TEST(VectorLoops, KeepNanAndInfinity) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  for (const Variant& variant : variants()) {
    SCOPED_TRACE(variant.name);
    for (const Unary f : kAll) {
      for (const std::size_t at : {std::size_t{3}, std::size_t{36}}) {
        std::vector<float> x = numbers(0.5f, 1.5f), y(37);
        x[at] = nan;
        variant.loops->map(f)({0.75, 1.25}, 37, x.data(), y.data());
        for (std::size_t i = 0; i < 37; ++i) {
          ASSERT_EQ(std::isnan(y[i]), i == at)
              << static_cast<int>(f) << " at " << i;
        }
      }
    }
    const std::vector<float> ends{inf, -inf, 0.0f};
    std::vector<float> y(3);
    variant.loops->map(Unary::Exp)({}, 3, ends.data(), y.data());
    EXPECT_EQ(y, (std::vector<float>{inf, 0, 1}));
    variant.loops->map(Unary::Tanh)({}, 3, ends.data(), y.data());
    EXPECT_EQ(y, (std::vector<float>{1, -1, 0}));
    variant.loops->map(Unary::Relu)({}, 3, ends.data(), y.data());
    EXPECT_EQ(y, (std::vector<float>{inf, 0, 0}));
  }
}

TEST(VectorLoops, HaveNoPowerBecauseThatOfXsimdIsWrongAtZero) {
  EXPECT_EQ(vector_loops().map(Unary::Power), nullptr);
  EXPECT_EQ(vector_loops().zip(Binary::Pow), nullptr);
}

}  // namespace
}  // namespace mjolnir::kernels
