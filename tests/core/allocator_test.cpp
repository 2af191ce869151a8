#include <mjolnir/core/allocator.h>

#include <gtest/gtest.h>

#include "core/detail/storage.h"

#include <new>

#include <mjolnir/core/tensor.h>

namespace mjolnir {
namespace {

// An empty cache of a given size for the length of a test.
struct ScopedLimit {
  explicit ScopedLimit(std::size_t bytes) {
    empty_cache();
    set_cache_limit(bytes);
  }
  ~ScopedLimit() { set_cache_limit(std::size_t{4} << 30); }
};

constexpr std::size_t megabyte = std::size_t{1} << 20;

Tensor of_bytes(std::size_t bytes) {
  return Tensor::empty({static_cast<std::int64_t>(bytes / 4)});
}

std::int64_t misses_of(std::size_t bytes) {
  const std::int64_t before = allocator_statistics().misses;
  const Tensor x = of_bytes(bytes);
  return allocator_statistics().misses - before;
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
  // Twice a power of two no longer fits.
  EXPECT_THROW(detail::allocate((std::size_t{1} << 63) + 1), std::bad_alloc);
  EXPECT_THROW(detail::allocate(~std::size_t{0}), std::bad_alloc);
}

// A data set of other sizes may have filled it before.
TEST(Allocator, SizesNoLongerAskedForMakeRoom) {
  const ScopedLimit limit(megabyte);
  { const Tensor x = of_bytes(megabyte); }
  EXPECT_EQ(misses_of(megabyte / 2), 1);
  for (int step = 1; step < 5; ++step) EXPECT_EQ(misses_of(megabyte / 2), 0);
  EXPECT_LE(allocator_statistics().cached, megabyte);
  EXPECT_EQ(misses_of(megabyte), 1);
}

TEST(Allocator, TheLongestUnusedGoFirst) {
  const ScopedLimit limit(megabyte);
  { const Tensor old = of_bytes(megabyte / 4); }
  { const Tensor newer = of_bytes(megabyte / 2); }
  { const Tensor x = of_bytes(megabyte / 8 * 3); }
  EXPECT_EQ(misses_of(megabyte / 2), 0);
  EXPECT_EQ(misses_of(megabyte / 8 * 3), 0);
  EXPECT_EQ(misses_of(megabyte / 4), 1);
}

TEST(Allocator, AnOldBufferPushesOutNothingNewer) {
  const ScopedLimit limit(megabyte);
  {
    const Tensor old = of_bytes(megabyte / 2);
    { const Tensor newer = of_bytes(megabyte); }
  }
  EXPECT_EQ(misses_of(megabyte), 0);
}

TEST(Allocator, ABufferLargerThanTheCachePushesOutNothing) {
  const ScopedLimit limit(megabyte);
  { const Tensor x = of_bytes(megabyte); }
  { const Tensor huge = of_bytes(2 * megabyte); }
  EXPECT_EQ(misses_of(megabyte), 0);
}

}  // namespace
}  // namespace mjolnir
