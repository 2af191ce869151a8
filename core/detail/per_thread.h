#pragma once

#include <cstdint>

#include "core/detail/parallel.h"
#include "core/detail/scratch.h"

namespace mjolnir::detail {

/**
 * Working memory for the threads of one parallel_for(n, grain, ...), made
 * before it starts: how much is held at once then depends on sizes and thread
 * count alone, never on which threads happen to run at the same time.
 */
template <class T>
class PerThread {
 public:
  /** `count` uninitialised numbers for each thread. */
  PerThread(std::int64_t n, std::int64_t grain, std::int64_t count)
      : threads_(threads_for(n, grain)),
        stride_((count * size + line - 1) / line * line / size),
        rooms_(threads_ * stride_) {}

  /** The memory of the thread that calls, within that parallel_for. */
  T* mine() const noexcept {
    return rooms_.data() + (threads_ == 1 ? 0 : thread_number()) * stride_;
  }

 private:
  static constexpr std::int64_t size = sizeof(T);
  static constexpr std::int64_t line = 64;  // no cache line has two owners
  static_assert(line % size == 0);

  std::int64_t threads_;
  std::int64_t stride_;
  Scratch<T> rooms_;
};

}  // namespace mjolnir::detail

namespace mjolnir {
using detail::PerThread;
}  // namespace mjolnir
