#include <mjolnir/core/allocator.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

#include "core/detail/storage.h"

namespace mjolnir {
namespace {

constexpr std::size_t alignment = 64;

// Sizes are rounded up to eighths of a power of two, so that a short last
// batch and its like reuse each other's buffers at most an eighth too large.
std::size_t rounded(std::size_t bytes) {
  if (bytes <= 512) return (std::max<std::size_t>(bytes, 1) + 63) / 64 * 64;
  if (bytes > static_cast<std::size_t>(-1) / 2) throw std::bad_alloc();
  std::size_t power = 512;
  while (power * 2 <= bytes) power *= 2;
  const std::size_t grain = std::max(alignment, power / 8);
  return (bytes + grain - 1) / grain * grain;
}

// Blocks of one size that wait for their next use.
struct Bucket {
  std::vector<void*> blocks;
  std::uint64_t asked = 0;  // when a block of this size was last asked for
};

struct Cache {
  std::mutex mutex;
  std::unordered_map<std::size_t, Bucket> free;
  std::uint64_t clock = 0;
  AllocatorStatistics statistics;
  std::size_t limit = std::size_t{4} << 30;

  void clear() noexcept {
    for (auto& [size, bucket] : free) {
      for (void* block : bucket.blocks) std::free(block);
      bucket.blocks.clear();
    }
    statistics.cached = 0;
  }

  // Makes room for a block of `size`, last asked for at `asked`, by giving back
  // those of sizes that were asked for longer ago. The search is over sizes,
  // of which rounded() leaves a few hundred.
  bool make_room(std::size_t size, std::uint64_t asked) noexcept {
    if (size > limit) return false;
    while (statistics.cached > limit - size) {
      auto stalest = free.end();
      for (auto it = free.begin(); it != free.end(); ++it) {
        if (it->second.blocks.empty() || it->second.asked >= asked) continue;
        if (stalest == free.end() || it->second.asked < stalest->second.asked) {
          stalest = it;
        }
      }
      if (stalest == free.end()) return false;
      std::vector<void*>& blocks = stalest->second.blocks;
      while (!blocks.empty() && statistics.cached > limit - size) {
        std::free(blocks.back());
        blocks.pop_back();
        statistics.cached -= stalest->first;
      }
    }
    return true;
  }
};

// Never destroyed: tensors of static lifetime may outlive any static.
Cache& cache() {
  static Cache* const instance = new Cache;
  return *instance;
}

}  // namespace

namespace detail {

void* allocate(std::size_t bytes) {
  const std::size_t size = rounded(bytes);
  Cache& c = cache();
  {
    const std::lock_guard<std::mutex> lock(c.mutex);
    Bucket& bucket = c.free[size];
    bucket.asked = ++c.clock;
    std::vector<void*>& blocks = bucket.blocks;
    if (!blocks.empty()) {
      void* const block = blocks.back();
      blocks.pop_back();
      ++c.statistics.hits;
      c.statistics.cached -= size;
      c.statistics.in_use += size;
      c.statistics.peak = std::max(c.statistics.peak, c.statistics.in_use);
      return block;
    }
    // Room for the way back, so that release() needs no memory.
    blocks.reserve(blocks.capacity() + 1);
  }
  void* block = std::aligned_alloc(alignment, size);
  if (block == nullptr) {
    empty_cache();
    block = std::aligned_alloc(alignment, size);
    if (block == nullptr) throw std::bad_alloc();
  }
  const std::lock_guard<std::mutex> lock(c.mutex);
  ++c.statistics.misses;
  c.statistics.in_use += size;
  c.statistics.peak = std::max(c.statistics.peak, c.statistics.in_use);
  return block;
}

void release(void* memory, std::size_t bytes) noexcept {
  const std::size_t size = rounded(bytes);
  Cache& c = cache();
  {
    const std::lock_guard<std::mutex> lock(c.mutex);
    c.statistics.in_use -= size;
    Bucket& bucket = c.free.find(size)->second;  // made by allocate()
    if (bucket.blocks.size() < bucket.blocks.capacity() &&
        c.make_room(size, bucket.asked)) {
      bucket.blocks.push_back(memory);
      c.statistics.cached += size;
      return;
    }
  }
  std::free(memory);
}

}  // namespace detail

AllocatorStatistics allocator_statistics() noexcept {
  Cache& c = cache();
  const std::lock_guard<std::mutex> lock(c.mutex);
  return c.statistics;
}

void reset_allocator_peak() noexcept {
  Cache& c = cache();
  const std::lock_guard<std::mutex> lock(c.mutex);
  c.statistics.peak = c.statistics.in_use;
}

void set_cache_limit(std::size_t bytes) noexcept {
  Cache& c = cache();
  const std::lock_guard<std::mutex> lock(c.mutex);
  c.limit = bytes;
  if (c.statistics.cached > bytes) c.clear();
}

void empty_cache() noexcept {
  Cache& c = cache();
  const std::lock_guard<std::mutex> lock(c.mutex);
  c.clear();
}

}  // namespace mjolnir
