#include <gmock/gmock.h>

#include <mjolnir/layers/initializers.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::values_of;

struct Moments {
  double mean = 0;
  double deviation = 0;
  double largest = 0;
};

Moments moments_of(const Initializer& initializer, const Shape& shape) {
  Generator rng(11);
  const Tensor w = Tensor::empty(shape, {DType::F64});
  initializer.apply(w, rng);
  Moments m;
  const std::vector<double> values = values_of(w);
  for (const double v : values) {
    m.mean += v / double(values.size());
    m.largest = std::max(m.largest, std::abs(v));
  }
  for (const double v : values)
    m.deviation += (v - m.mean) * (v - m.mean) / double(values.size());
  m.deviation = std::sqrt(m.deviation);
  return m;
}

// 120,000 draws: a mean is within 5 / sqrt(120000) = 1.4 % of a deviation, a
// deviation within 5 / sqrt(240000) = 1 % of itself (fewer for a uniform).
const Shape big{100, 60, 4, 5};
constexpr double fan_in = 60 * 4 * 5;
constexpr double fan_out = 100 * 4 * 5;

void expect_spread(const std::string& name, double deviation, double bound) {
  const Moments m = moments_of(Initializer(name), big);
  EXPECT_NEAR(m.mean, 0, 0.015 * deviation) << name;
  EXPECT_NEAR(m.deviation, deviation, 0.01 * deviation) << name;
  if (bound > 0) {
    EXPECT_LE(m.largest, bound) << name;
    EXPECT_GT(m.largest, 0.99 * bound) << name;
  } else {
    EXPECT_GT(m.largest, 3.5 * deviation) << name;
  }
}

TEST(Initializers, NamesDrawTheirDistributions) {
  expect_spread("normal", 0.01, 0);
  expect_spread("uniform", 0.07 / std::sqrt(3.0), 0.07);
  // N(0,1) cut at +-2 has deviation 0.8796257.
  expect_spread("truncatednormal", 0.01 * 0.8796257, 0.02);
  expect_spread("truncated_normal", 0.01 * 0.8796257, 0.02);
  const double both = fan_in + fan_out;
  for (const char* name : {"xavieruniform", "xavier_uniform", "XavierUniform"})
    expect_spread(name, std::sqrt(2 / both), std::sqrt(6 / both));
  for (const char* name : {"xaviernormal", "xavier_normal"})
    expect_spread(name, std::sqrt(2 / both), 0);
  for (const char* name : {"heuniform", "he_uniform", "HeUniform"})
    expect_spread(name, std::sqrt(2 / fan_in), std::sqrt(6 / fan_in));
  for (const char* name : {"henormal", "he_normal", "HENORMAL"})
    expect_spread(name, std::sqrt(2 / fan_in), 0);
  expect_spread("variancescaling", std::sqrt(1 / fan_in),
                2 / 0.8796257 * std::sqrt(1 / fan_in));
}

TEST(Initializers, ConstantsAndTensors) {
  for (const char* name : {"zero", "zeros", "Zeros"})
    EXPECT_EQ(moments_of(name, {3, 2}).largest, 0) << name;
  for (const char* name : {"one", "ones", "ONES"}) {
    EXPECT_EQ(moments_of(name, {8}).mean, 1) << name;
    EXPECT_EQ(moments_of(name, {8}).deviation, 0) << name;
  }
  EXPECT_EQ(moments_of(0.25, {3}).mean, 0.25);
  EXPECT_EQ(moments_of(0, {3}).largest, 0);
  const Tensor given = testing::tensor({1, 2, 3, 4, 5, 6}, {2, 3});
  Generator rng;
  const Tensor w = Tensor::zeros({2, 3});
  Initializer(given).apply(w, rng);
  EXPECT_EQ(values_of(w), values_of(given));
  EXPECT_FALSE(w.shares_buffer_with(given));
}

TEST(Initializers, Identity) {
  Generator rng;
  const Tensor w = Tensor::zeros({2, 3}, {DType::F64});
  Initializer("Identity").apply(w, rng);
  EXPECT_EQ(values_of(w), (std::vector<double>{1, 0, 0, 0, 1, 0}));
  EXPECT_THROW(Initializer("identity").apply(Tensor::zeros({2}), rng),
               ValueError);
  EXPECT_THROW(Initializer("identity").apply(Tensor::zeros({2, 2, 1}), rng),
               ValueError);
}

TEST(Initializers, DiracCopiesChannels) {
  Generator rng;
  const Tensor w =
      Tensor::zeros({3, 2, 2, 3}, {DType::F32, Layout::ChannelsLast});
  Initializer("dirac").apply(w, rng);
  const std::vector<double> values = values_of(w);
  for (std::size_t i = 0; i < values.size(); ++i) {
    // (o,c,h,w) = (0,0,1,1) and (1,1,1,1) of strides (12,6,3,1).
    EXPECT_EQ(values[i], i == 4 || i == 12 + 6 + 4 ? 1 : 0) << i;
  }
  EXPECT_THROW(Initializer("dirac").apply(Tensor::zeros({3, 2}), rng),
               ValueError);
}

TEST(Initializers, OrthogonalRowsOrColumns) {
  for (const Shape& shape : {Shape{3, 2, 2, 3}, Shape{7, 2}}) {
    Generator rng(5);
    const Tensor w = Tensor::zeros(shape, {DType::F64});
    Initializer("orthogonal").apply(w, rng);
    const std::vector<double> v = values_of(w);
    const std::int64_t rows = shape[0];
    const std::int64_t columns = shape.numel() / rows;
    const bool wide = rows <= columns;
    const std::int64_t n = wide ? rows : columns;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        double dot = 0;
        for (std::int64_t k = 0; k < (wide ? columns : rows); ++k)
          dot += wide ? v[std::size_t(i * columns + k)] *
                            v[std::size_t(j * columns + k)]
                      : v[std::size_t(k * columns + i)] *
                            v[std::size_t(k * columns + j)];
        EXPECT_NEAR(dot, i == j ? 1 : 0, 1e-13) << shape.str();
      }
  }
}

TEST(Initializers, Refusals) {
  Generator rng;
  const Tensor w = Tensor::zeros({2, 3});
  const auto refuse = [&](const Initializer& initializer, const Tensor& to) {
    return message_of<ValueError>(
        [&] { initializer.apply(to, rng, "[Layer] weight_init"); });
  };
  EXPECT_THAT(refuse("constant", w), HasSubstr("\"constant\""));
  EXPECT_THAT(refuse("", w), HasSubstr("[Layer] weight_init"));
  EXPECT_THAT(refuse("norm", w), HasSubstr("he_normal"));  // lists the names
  EXPECT_THAT(refuse(Tensor::zeros({3, 2}), w),
              HasSubstr("expected a tensor of shape (2,3)"));
  EXPECT_THAT(refuse(Tensor(), w), HasSubstr("undefined"));
  for (const char* name : {"xavieruniform", "xavier_normal", "heuniform",
                           "henormal", "variancescaling", "orthogonal"})
    EXPECT_THAT(refuse(name, Tensor::zeros({4})), HasSubstr("rank 2")) << name;
  EXPECT_THROW(fans_of({4}), ValueError);
  EXPECT_EQ(fans_of({4, 3, 2, 5}).in, 30);
  EXPECT_EQ(fans_of({4, 3, 2, 5}).out, 40);
}

TEST(Initializers, OneSeedOneResultInEveryLayout) {
  for (const char* name : {"normal", "he_uniform", "truncatednormal",
                           "orthogonal", "variancescaling"}) {
    Generator a(9);
    Generator b(9);
    const Tensor rows = Tensor::zeros({4, 3, 2, 5});
    const Tensor last =
        Tensor::zeros({4, 3, 2, 5}, {DType::F32, Layout::ChannelsLast});
    Initializer(name).apply(rows, a);
    Initializer(name).apply(last, b);
    EXPECT_TRUE(testing::bit_equal(rows, last)) << name;
  }
}

TEST(Initializers, KnowsZeros) {
  EXPECT_TRUE(Initializer("zeros").is_zeros());
  EXPECT_TRUE(Initializer("Zero").is_zeros());
  EXPECT_TRUE(Initializer(0.0).is_zeros());
  EXPECT_FALSE(Initializer("ones").is_zeros());
  EXPECT_FALSE(Initializer(0.5).is_zeros());
}

}  // namespace
}  // namespace mjolnir
