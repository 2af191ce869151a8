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
  std::size_t power = 512;
  while (power * 2 <= bytes) power *= 2;
  const std::size_t grain = std::max(alignment, power / 8);
  if (bytes > static_cast<std::size_t>(-1) - grain) throw std::bad_alloc();
  return (bytes + grain - 1) / grain * grain;
}

struct Cache {
  std::mutex mutex;
  std::unordered_map<std::size_t, std::vector<void*>> free;
  AllocatorStatistics statistics;
  std::size_t limit = std::size_t{4} << 30;

  void clear() noexcept {
    for (auto& [size, blocks] : free) {
      for (void* block : blocks) std::free(block);
      blocks.clear();
    }
    statistics.cached = 0;
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
    std::vector<void*>& blocks = c.free[size];
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
    std::vector<void*>& blocks = c.free[size];
    if (c.statistics.cached + size <= c.limit &&
        blocks.size() < blocks.capacity()) {
      blocks.push_back(memory);
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
