#include <mjolnir/core/tensor.h>

#include <gtest/gtest.h>

#include <limits>

#include <mjolnir/core/allocator.h>
#include <mjolnir/core/backend.h>

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

TEST(Tensor, PrintsForAPerson) {
  EXPECT_EQ(Tensor::from<float>({1, 2.5f, 3}, {3}).str(2),
            "Tensor(3) f32 row-major [1, 2.5, ... 1 more]");
}

TEST(Allocator, ReusesWhatWasFreed) {
  { const Tensor warm = Tensor::empty({1000, 37}); }
  const AllocatorStatistics before = allocator_statistics();
  for (int i = 0; i < 20; ++i) const Tensor x = Tensor::empty({1000, 37});
  const AllocatorStatistics after = allocator_statistics();
  EXPECT_EQ(after.misses, before.misses);
  EXPECT_EQ(after.hits, before.hits + 20);
  EXPECT_EQ(after.in_use, before.in_use);
}

TEST(Allocator, LimitAndEmptyGiveBack) {
  { const Tensor x = Tensor::empty({4096}); }
  EXPECT_GT(allocator_statistics().cached, 0u);
  empty_cache();
  EXPECT_EQ(allocator_statistics().cached, 0u);
  set_cache_limit(0);
  { const Tensor x = Tensor::empty({4096}); }
  EXPECT_EQ(allocator_statistics().cached, 0u);
  set_cache_limit(std::size_t{4} << 30);
}

TEST(Allocator, RefusedMemoryIsBadAlloc) {
  EXPECT_THROW(Tensor::empty({std::int64_t{1} << 58}), std::bad_alloc);
}

}  // namespace
}  // namespace mjolnir
