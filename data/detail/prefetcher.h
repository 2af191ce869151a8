#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <mjolnir/core/tensor.h>

namespace mjolnir::data::detail {

/**
 * Calls make(step) for the steps [first, last) in threads of its own, at most
 * `depth` ahead, and hands the results out in order. Without threads next()
 * makes them itself.
 */
class Prefetcher {
 public:
  using Make = std::function<Batch(std::int64_t step)>;

  Prefetcher(Make make, std::int64_t first, std::int64_t last, int threads,
             int depth);
  /** Stops the threads and waits for them. */
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /** The next result; throws what make() threw for that step. Called at most
   * last - first times. */
  Batch next();

 private:
  struct Slot {
    bool ready = false;
    Batch batch;
    std::exception_ptr error;
  };

  void work();
  void stop();
  Slot& slot(std::int64_t step) {
    return slots_[static_cast<std::size_t>(step) % slots_.size()];
  }

  const Make make_;
  const std::int64_t last_;
  std::mutex mutex_;               // of everything below
  std::condition_variable room_;   // for the threads: a slot is free
  std::condition_variable ready_;  // for next(): a slot is ready
  std::vector<Slot> slots_;
  std::int64_t claimed_;  // next step to make
  std::int64_t handed_;   // next step to hand out
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace mjolnir::data::detail
