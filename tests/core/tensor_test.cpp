#include <mjolnir/core/tensor.h>

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/ops/shape.h>

namespace mjolnir {
namespace {

TEST(Shape, RefusesNegativeDeepAndOverflowing) {
  EXPECT_THROW(Shape({2, -1}), ShapeError);
  EXPECT_THROW(Shape(std::vector<std::int64_t>(9, 1)), ShapeError);
  const std::int64_t big = std::int64_t{1} << 32;
  EXPECT_THROW(Shape({big, big}), ShapeError);
  EXPECT_THROW(Shape({big, 0, big}), ShapeError);
  EXPECT_THROW(Shape({std::numeric_limits<std::int64_t>::max()}), ShapeError);
  EXPECT_EQ(Shape({3, 0, 5}).numel(), 0);
  EXPECT_EQ(Shape().numel(), 1);
}

TEST(Shape, ReadsAndPrints) {
  const Shape s{4, 3, 7};
  EXPECT_EQ(s.str(), "(4,3,7)");
  EXPECT_EQ(s.dim(-1), 7);
  EXPECT_THROW(s.dim(3), ShapeError);
  EXPECT_EQ(s.with(1, 9), Shape({4, 9, 7}));
  EXPECT_NE(s, Shape({4, 3}));
}

TEST(Tensor, UndefinedIsANamedError) {
  const Tensor x;
  EXPECT_FALSE(x.defined());
  EXPECT_THROW(x.shape(), ValueError);
  EXPECT_THROW(x.grad(), ValueError);
  EXPECT_THROW(x.backward(), ValueError);
}

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const ValueError& error) {
    return error.what();
  }
  return "no ValueError";
}

TEST(Tensor, UndefinedNamesTheCall) {
  const Tensor none;
  const Tensor x = Tensor::zeros({2});
  const std::pair<const char*, std::function<void()>> calls[] = {
      {"item", [&] { none.item(); }},
      {"copy_from", [&] { none.copy_from(x); }},
      {"copy_from", [&] { x.copy_from(none); }},
      {"fill", [&] { none.fill(1); }},
      {"clone", [&] { none.clone(); }},
      {"to", [&] { none.to(DType::F64); }},
      {"to", [&] { none.to(Layout::ChannelsLast); }},
      {"numel", [&] { none.numel(); }},
      {"rank", [&] { none.rank(); }},
      {"size", [&] { none.size(0); }},
      {"options", [&] { none.options(); }},
      {"to_vector", [&] { none.to_vector<float>(); }},
      {"Tensor::zeros_like", [&] { Tensor::zeros_like(none); }},
      {"Tensor::ones_like", [&] { Tensor::ones_like(none); }},
      {"Tensor::empty_like", [&] { Tensor::empty_like(none); }},
  };
  for (const auto& [name, call] : calls) {
    EXPECT_EQ(message_of(call),
              "[" + std::string(name) + "] the tensor is undefined");
  }
}

TEST(Tensor, FromChecksCountAndType) {
  EXPECT_THROW(Tensor::from<float>({1, 2, 3}, {2, 2}), ShapeError);
  const Tensor x = Tensor::from<double>({1, 2, 3, 4}, {2, 2});
  EXPECT_EQ(x.dtype(), DType::F64);
  EXPECT_THROW(x.data<float>(), ValueError);
  EXPECT_THROW(x.to_vector<std::int64_t>(), ValueError);
  EXPECT_THROW(x.item(), ShapeError);
  EXPECT_EQ(Tensor::scalar(2.5).item(), 2.5);
}

TEST(Tensor, ChannelsLastKeepsLogicalOrder) {
  std::vector<float> values(2 * 3 * 5 * 7);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i);
  }
  const Tensor x = Tensor::from(values, {2, 3, 5, 7});
  const Tensor y = x.to(Layout::ChannelsLast);
  EXPECT_EQ(y.layout(), Layout::ChannelsLast);
  EXPECT_EQ(y.to_vector<float>(), values);
  // Memory order (n, h, w, c): the second element is channel 1 at (0,0).
  EXPECT_EQ(y.data<float>()[1], 35.0f);
  EXPECT_EQ(y.data<float>()[3 * 7], 7.0f);
  EXPECT_EQ(y.to(Layout::RowMajor).to_vector<float>(), values);
  EXPECT_THROW(Tensor::ones({2, 3}).to(Layout::ChannelsLast), ShapeError);
}

TEST(Tensor, CoincidingOrdersAreNotConverted) {
  const std::int64_t before = layout_conversion_count();
  const Tensor thin = Tensor::ones({4, 1, 6, 5});
  EXPECT_TRUE(thin.to(Layout::ChannelsLast).shares_buffer_with(thin));
  const Tensor flat = Tensor::ones({4, 9, 1, 1});
  EXPECT_TRUE(flat.to(Layout::ChannelsLast).shares_buffer_with(flat));
  EXPECT_EQ(layout_conversion_count(), before);
  const Tensor wide = Tensor::ones({4, 2, 3, 5}).to(Layout::ChannelsLast);
  EXPECT_EQ(layout_conversion_count(), before + 1);
}

TEST(Tensor, CopiesShareAndClonesDoNot) {
  const Tensor x = Tensor::zeros({3});
  Tensor y = x;
  y = *&y;
  y.fill(2);
  EXPECT_EQ(x.to_vector<float>(), std::vector<float>(3, 2.0f));
  const Tensor z = x.clone();
  x.fill(5);
  EXPECT_EQ(z.to_vector<float>(), std::vector<float>(3, 2.0f));
  EXPECT_TRUE(x.detach().shares_buffer_with(x));
}

TEST(Tensor, AMovedTensorTakesTheBufferAlong) {
  Tensor x = Tensor::from<float>({1, 2, 3}, {3});
  const float* const memory = x.data<float>();
  Tensor y = std::move(x);
  EXPECT_EQ(y.data<float>(), memory);
  EXPECT_FALSE(x.defined());  // NOLINT: what a moved-from tensor is
  EXPECT_THROW(x.shape(), ValueError);
  EXPECT_EQ(x.str(), "Tensor(undefined)");
  Tensor z = Tensor::zeros({2});
  z = std::move(y);
  EXPECT_EQ(z.data<float>(), memory);
  EXPECT_FALSE(y.defined());  // NOLINT
  y = z;                      // and it may be given a value again
  EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{1, 2, 3}));
}

TEST(Tensor, AMoveKeepsThePlaceInTheGraph) {
  Tensor x = Tensor::from<float>({1, 2, 3}, {3});
  x.set_requires_grad(true);
  const Tensor same = x;
  const Tensor moved = std::move(x);
  EXPECT_TRUE(moved.requires_grad());
  sum(mul(moved, 2.0)).backward();
  EXPECT_EQ(same.grad().to_vector<float>(), std::vector<float>(3, 2.0f));
}

TEST(Tensor, ASliceSharesTheBufferBothWays) {
  const Tensor base = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor rows = slice(base, 0, 1, 3);
  ASSERT_TRUE(rows.shares_buffer_with(base));
  const std::uint64_t before = base.version();
  rows.mutable_data<float>()[0] = 30;
  EXPECT_EQ(base.to_vector<float>(), (std::vector<float>{1, 2, 30, 4, 5, 6}));
  EXPECT_GT(base.version(), before);
  base.fill(7);
  EXPECT_EQ(rows.to_vector<float>(), std::vector<float>(4, 7.0f));
  rows.copy_from(Tensor::ones({2, 2}));
  EXPECT_EQ(base.to_vector<float>(), (std::vector<float>{7, 7, 1, 1, 1, 1}));
  rows.fill(-2);
  EXPECT_EQ(base.to_vector<float>(),
            (std::vector<float>{7, 7, -2, -2, -2, -2}));
  const Tensor own = rows.clone();
  base.fill(0);
  EXPECT_EQ(own.to_vector<float>(), std::vector<float>(4, -2.0f));
}

TEST(Tensor, ASavedBufferThatAViewChangesIsANamedError) {
  const std::pair<const char*, std::function<Tensor(const Tensor&)>> views[] = {
      {"slice", [](const Tensor& x) { return slice(x, 0, 1, 2); }},
      {"reshape", [](const Tensor& x) { return reshape(x, {6}); }}};
  for (const auto& [name, view] : views) {
    const Tensor x = Tensor::ones({3, 2});
    x.set_requires_grad(true);
    const Tensor y = exp(x);  // whose gradient needs y
    const Tensor loss = sum(y);
    view(y.detach()).fill(2);
    const std::string text = message_of([&] { loss.backward(); });
    EXPECT_EQ(text.find("[exp] a tensor of shape (3,2)"), 0u)
        << name << ": " << text;
    EXPECT_FALSE(x.grad().defined()) << name;
  }
}

TEST(Tensor, CopyFromChecks) {
  const Tensor x = Tensor::zeros({2, 3});
  EXPECT_THROW(x.copy_from(Tensor::ones({3, 2})), ShapeError);
  TensorOptions f64;
  f64.dtype = DType::F64;
  EXPECT_THROW(x.copy_from(Tensor::ones({2, 3}, f64)), ValueError);
  const Tensor a = Tensor::from<float>({1, 2, 3, 4, 5, 6, 7, 8}, {1, 2, 2, 2});
  const Tensor b =
      Tensor::zeros({1, 2, 2, 2}, {DType::F32, Layout::ChannelsLast});
  b.copy_from(a);
  EXPECT_EQ(b.to_vector<float>(), a.to_vector<float>());
  EXPECT_EQ(b.layout(), Layout::ChannelsLast);
}

// Large enough for several threads, in each pair of memory orders.
TEST(Tensor, CopyFromCopiesEveryElementOnce) {
  const Shape shape = {5, 3, 211, 257};
  std::vector<float> values;
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    values.push_back(static_cast<float>(i));
  }
  const Tensor rows = Tensor::from(values, shape);
  for (const Layout from : {Layout::RowMajor, Layout::ChannelsLast}) {
    for (const Layout to : {Layout::RowMajor, Layout::ChannelsLast}) {
      const Tensor y = Tensor::zeros(shape, {DType::F32, to});
      const std::uint64_t before = y.version();
      y.copy_from(rows.to(from));
      EXPECT_EQ(y.version(), before + 1);
      EXPECT_EQ(y.layout(), to);
      EXPECT_EQ(y.to_vector<float>(), values);
    }
  }
}

TEST(Tensor, CopyFromAnOverlappingSliceOfTheSameBuffer) {
  const Tensor base = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {6});
  slice(base, 0, 1, 5).copy_from(slice(base, 0, 0, 4));
  EXPECT_EQ(base.to_vector<float>(), (std::vector<float>{1, 1, 2, 3, 4, 6}));
}

TEST(Tensor, EveryWriteCounts) {
  const Tensor x = Tensor::zeros({2});
  const std::uint64_t start = x.version();
  x.mutable_data<float>()[0] = 1;
  EXPECT_EQ(x.version(), start + 1);
  x.detach().fill(3);
  EXPECT_GT(x.version(), start + 1);
}

TEST(Tensor, ConvertsBetweenTypes) {
  const Tensor x = Tensor::from<float>({0, 1.75f, 250}, {3});
  EXPECT_EQ(x.to(DType::U8).to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>{0, 1, 250}));
  EXPECT_EQ(x.to(DType::F64).to_vector<double>()[1], 1.75);
}

TEST(Tensor, ConversionToIntegersIsDefinedForEveryNumber) {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> values = {-0.9,  -1,  255.9, 256, 1e30,
                                      -1e30, inf, -inf,  nan, 2.9};
  const auto size = static_cast<std::int64_t>(values.size());
  const std::vector<std::uint8_t> bytes = {0, 0,   255, 255, 255,
                                           0, 255, 0,   0,   2};
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
  const std::vector<std::int64_t> longs = {0,     -1,   255,   256, most,
                                           least, most, least, 0,   2};
  const Tensor x = Tensor::from(values, {size});
  EXPECT_EQ(x.to(DType::U8).to_vector<std::uint8_t>(), bytes);
  EXPECT_EQ(x.to(DType::I64).to_vector<std::int64_t>(), longs);
  const Tensor y = x.to(DType::F32);
  EXPECT_EQ(y.to(DType::U8).to_vector<std::uint8_t>()[3], 255);
  EXPECT_EQ(y.to(DType::I64).to_vector<std::int64_t>(), longs);
  // The largest doubles below 2^63 and 2^8 are whole in range.
  const double below = std::nextafter(0x1p63, 0);
  EXPECT_EQ(Tensor::scalar(below, DType::F64)
                .to(DType::I64)
                .to_vector<std::int64_t>()[0],
            most - 1023);
  const Tensor wide = Tensor::from<std::int64_t>({-1, 256, 511}, {3});
  EXPECT_EQ(wide.to(DType::U8).to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>{255, 0, 255}));
}

TEST(Tensor, RefusesToFillWithWhatTheTypeCannotHold) {
  const TensorOptions u8{DType::U8, Layout::RowMajor};
  const TensorOptions i64{DType::I64, Layout::RowMajor};
  for (const double value : {256.0, -1.0, 1e30, std::nan("")}) {
    const std::string text = message_of([&] { Tensor::full({2}, value, u8); });
    EXPECT_EQ(text.find("[Tensor::full] expected a value that u8 can hold"), 0u)
        << text;
    const Tensor x = Tensor::full({2}, 3, u8);
    EXPECT_EQ(message_of([&] { x.fill(value); }).find("[fill] expected"), 0u);
    EXPECT_EQ(x.data<std::uint8_t>()[0], 3);
  }
  EXPECT_EQ(message_of([&] { Tensor::full({2}, 300, u8); }),
            "[Tensor::full] expected a value that u8 can hold, got 300");
  for (const double value : {0x1p63, -0x1p64, std::nan("")}) {
    EXPECT_THROW(Tensor::full({2}, value, i64), ValueError);
    EXPECT_THROW(Tensor::scalar(value, DType::I64), ValueError);
  }
  EXPECT_EQ(Tensor::full({1}, 255.75, u8).item(), 255);
  EXPECT_EQ(Tensor::full({1}, -0x1p63, i64).to_vector<std::int64_t>()[0],
            std::numeric_limits<std::int64_t>::min());
  EXPECT_TRUE(std::isnan(Tensor::full({1}, std::nan("")).item()));
}

TEST(Tensor, PrintsForAPerson) {
  EXPECT_EQ(Tensor::from<float>({1, 2.5f, 3}, {3}).str(2),
            "Tensor(3) f32 row-major [1, 2.5, ... 1 more]");
}

}  // namespace
}  // namespace mjolnir
