#pragma once

#include <cstddef>
#include <cstdint>

namespace mjolnir {

/** What the allocator of tensor storage has done so far; sizes in bytes. */
struct AllocatorStatistics {
  std::int64_t hits = 0;    ///< Requests served from the cache.
  std::int64_t misses = 0;  ///< Requests that had to ask the system.
  std::size_t in_use = 0;   ///< Held by tensors now.
  std::size_t peak = 0;     ///< Largest in_use since the last reset.
  std::size_t cached = 0;   ///< Freed and kept for reuse.
};

/** The numbers now, over all threads. */
AllocatorStatistics allocator_statistics() noexcept;

/** Starts the measurement of the peak again, from what is in use now. */
void reset_allocator_peak() noexcept;

/**
 * Most bytes kept for reuse (default 4 GiB). A buffer that is freed when the
 * cache is full takes the place of sizes that were asked for longer ago; where
 * there are none it is given back to the system at once. 0 switches the cache
 * off.
 */
void set_cache_limit(std::size_t bytes) noexcept;

/** Gives every cached buffer back to the system. */
void empty_cache() noexcept;

}  // namespace mjolnir
