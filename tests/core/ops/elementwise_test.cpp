// What the cases of the elementwise ops leave open: layouts, dtypes, sizes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/core/random.h>
#include <mjolnir/core/threads.h>

#include <mjolnir/core/backend.h>

namespace mjolnir {
namespace {

using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::ThrowsMessage;

Tensor random_tensor(const Shape& shape, Layout layout = Layout::RowMajor) {
  Generator rng(5);
  return uniform(shape, -1, 1, rng).to(layout);
}

TEST(Elementwise, TheFirstOperandOfRank4DecidesTheLayout) {
  const Tensor rows = random_tensor({2, 3, 4, 5});
  const Tensor last = rows.to(Layout::ChannelsLast);
  EXPECT_EQ(add(rows, last).layout(), Layout::RowMajor);
  EXPECT_EQ(add(last, rows).layout(), Layout::ChannelsLast);
  EXPECT_EQ(add(rows, last).to_vector<float>(),
            add(rows, rows).to_vector<float>());
  EXPECT_EQ(add(Tensor::ones({5}), last).layout(), Layout::ChannelsLast);
  EXPECT_EQ(relu(last).layout(), Layout::ChannelsLast);
  EXPECT_EQ(mul(last, 2.0).layout(), Layout::ChannelsLast);
}

TEST(Elementwise, AnOperandWithoutALayoutOfItsOwnDecidesNothing) {
  // (1,C,1,1) and (N,1,H,W) lie in memory alike in both layouts.
  const Tensor last = random_tensor({2, 3, 4, 5}, Layout::ChannelsLast);
  const std::int64_t before = layout_conversion_count();
  EXPECT_EQ(add(Tensor::ones({1, 3, 1, 1}), last).layout(),
            Layout::ChannelsLast);
  EXPECT_EQ(add(Tensor::ones({2, 1, 4, 5}), last).layout(),
            Layout::ChannelsLast);
  EXPECT_EQ(layout_conversion_count(), before);
}

TEST(Elementwise, OneConversionForTwoLayoutsAndOneBack) {
  const Tensor a = random_tensor({2, 3, 4, 5}, Layout::ChannelsLast);
  const Tensor b = random_tensor({2, 3, 4, 5});
  a.set_requires_grad(true);
  b.set_requires_grad(true);
  std::int64_t before = layout_conversion_count();
  const Tensor y = mul(a, b);
  EXPECT_EQ(layout_conversion_count() - before, 1);
  before = layout_conversion_count();
  sum(y).backward();
  EXPECT_EQ(layout_conversion_count() - before, 1);
  EXPECT_EQ(a.grad().layout(), Layout::ChannelsLast);
  EXPECT_EQ(b.grad().layout(), Layout::RowMajor);
}

TEST(Elementwise, ChannelsLastStaysThatWayThroughABlock) {
  const Tensor x = random_tensor({2, 3, 4, 5}, Layout::ChannelsLast);
  x.set_requires_grad(true);
  const std::int64_t before = layout_conversion_count();
  const Tensor bias = Tensor::ones({1, 3, 1, 1});
  const Tensor loss = sum(relu(add(mul(x, 2.0), bias)) + x);
  loss.backward();
  EXPECT_EQ(layout_conversion_count(), before);
  EXPECT_EQ(x.grad().layout(), Layout::ChannelsLast);
}

TEST(Elementwise, NamesBothDtypes) {
  const Tensor a = Tensor::ones({2}), b = a.to(DType::F64);
  EXPECT_THAT([&] { add(a, b); },
              ThrowsMessage<ValueError>(HasSubstr("[add] expected one dtype, "
                                                  "got f32 and f64")));
  EXPECT_THAT([&] { mul(b, a); },
              ThrowsMessage<ValueError>(HasSubstr("f64 and f32")));
  EXPECT_THROW(add(a, Tensor()), ValueError);
  EXPECT_THROW(relu(Tensor()), ValueError);
  EXPECT_THROW(add(a.to(DType::I64), 1.0), ValueError);
}

TEST(Elementwise, NamesBothShapes) {
  EXPECT_THAT(
      [] {
        add(Tensor::ones({2, 3}), Tensor::ones({4}));
      },
      ThrowsMessage<ShapeError>(HasSubstr(
          "[add] expected shapes that broadcast, got (2,3) and (4); axes")));
  EXPECT_THROW(add(Tensor::ones({0}), Tensor::ones({3})), ShapeError);
}

TEST(Elementwise, TensorsOfSizeZero) {
  const Tensor x = Tensor::ones({0, 3});
  x.set_requires_grad(true);
  EXPECT_EQ(add(x, Tensor::ones({3})).shape(), (Shape{0, 3}));
  EXPECT_EQ(mul(x, Tensor::ones({1, 3})).shape(), (Shape{0, 3}));
  EXPECT_EQ(exp(x).shape(), (Shape{0, 3}));
  EXPECT_EQ(add(Tensor::ones({0}), Tensor::ones({1})).shape(), Shape{0});
  const Tensor row = Tensor::ones({3});
  row.set_requires_grad(true);
  sum(relu(mul(x, row))).backward();
  EXPECT_EQ(x.grad().shape(), (Shape{0, 3}));
  EXPECT_EQ(row.grad().to_vector<float>(), (std::vector<float>{0, 0, 0}));
}

TEST(Elementwise, AValueDoesNotDependOnItsPositionOrTheThreads) {
  // 19 elements of each vector length, and chunks cut at odd places.
  const int threads = num_threads();
  const Tensor x = random_tensor({70001});
  const std::vector<float> values = x.to_vector<float>();
  for (Tensor (*f)(const Tensor&) : {exp, tanh, gelu, softplus, sigmoid}) {
    set_num_threads(1);
    const std::vector<float> one = f(x).to_vector<float>();
    set_num_threads(2);
    EXPECT_EQ(f(x).to_vector<float>(), one);
    for (const std::size_t first : {1, 7, 40000}) {
      const std::vector<float> part(values.begin() + first,
                                    values.begin() + first + 19);
      EXPECT_EQ(
          f(Tensor::from(part, {19})).to_vector<float>(),
          std::vector<float>(one.begin() + first, one.begin() + first + 19));
    }
  }
  set_num_threads(threads);
}

TEST(Elementwise, VectorsAgreeWithTheStandardLibraryOverTheirWholeRange) {
  std::vector<float> values;
  for (int i = -2000; i <= 2000; ++i) {
    values.push_back(static_cast<float>(i) * 0.0437f);
  }
  const Tensor x = Tensor::from(values, {4001});
  const auto check = [&](const Tensor& y, double (*f)(double), double ulps) {
    const std::vector<float> got = y.to_vector<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double truth = f(values[i]);
      // Below 1e-36 the vectors flush to 0.
      ASSERT_NEAR(got[i], truth, ulps * 6e-8 * std::abs(truth) + 1e-36)
          << values[i];
    }
  };
  check(
      exp(x), [](double v) { return std::exp(v); }, 4);
  check(
      tanh(x), [](double v) { return std::tanh(v); }, 4);
  check(
      sigmoid(x), [](double v) { return 1 / (1 + std::exp(-v)); }, 6);
  check(
      softplus(x), [](double v) { return std::log1p(std::exp(v)); }, 6);
  const std::vector<float> positive = exp(x * 0.9).to_vector<float>();
  const std::vector<float> logs = log(exp(x * 0.9)).to_vector<float>();
  for (std::size_t i = 0; i < positive.size(); ++i) {
    const double truth = std::log(static_cast<double>(positive[i]));
    ASSERT_NEAR(logs[i], truth, 4 * 6e-8 * std::abs(truth)) << positive[i];
  }
}

TEST(Elementwise, OperatorsReadLikeFormulas) {
  const Tensor x = Tensor::from<double>({1, 2, 4}, {3});
  EXPECT_EQ((2.0 * x + 1.0 - x / 2.0).to_vector<double>(),
            (std::vector<double>{2.5, 4, 7}));
  EXPECT_EQ((1.0 - x).to_vector<double>(), (std::vector<double>{0, -1, -3}));
  EXPECT_EQ((8.0 / x * x - x + (-x)).to_vector<double>(),
            (std::vector<double>{6, 4, 0}));
}

TEST(Elementwise, OneTimesAZeroKeepsItsSign) {
  for (const Backend which : {Backend::Auto, Backend::Reference}) {
    const ScopedBackend scope(which);
    const Tensor x = Tensor::from<float>({-0.0f, 0.0f, 2.0f}, {3});
    const std::vector<float> same = (x * 1.0).to_vector<float>();
    EXPECT_TRUE(std::signbit(same[0]));
    EXPECT_FALSE(std::signbit(same[1]));
    const std::vector<float> negated = (-1.0 * x).to_vector<float>();
    EXPECT_FALSE(std::signbit(negated[0]));
    EXPECT_TRUE(std::signbit(negated[1]));
    // A sum of zeros is +0 unless both are -0.
    EXPECT_FALSE(std::signbit((x + 0.0).to_vector<float>()[0]));
  }
}

TEST(Elementwise, AddingADoubleGivesItsOwnGradientBackUntouched) {
  const Tensor x = random_tensor({3});
  x.set_requires_grad(true);
  Tensor seen;
  const Tensor y = x + 1.5;
  BackwardOptions options;
  options.gradient = Tensor::from<float>({1, 2, 3}, {3});
  y.backward(options);
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{1, 2, 3}));
}

}  // namespace
}  // namespace mjolnir
