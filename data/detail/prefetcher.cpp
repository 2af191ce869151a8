#include "data/detail/prefetcher.h"

#include <utility>

#include <mjolnir/core/threads.h>

namespace mjolnir::data::detail {

Prefetcher::Prefetcher(Make make, std::int64_t first, std::int64_t last,
                       int threads, int depth)
    : make_(std::move(make)),
      last_(last),
      slots_(static_cast<std::size_t>(depth)),
      claimed_(first),
      handed_(first) {
  try {
    for (int t = 0; t < threads && t < last - first; ++t) {
      threads_.emplace_back([this] { work(); });
    }
  } catch (...) {
    stop();
    throw;
  }
}

Prefetcher::~Prefetcher() { stop(); }

void Prefetcher::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  room_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Prefetcher::work() {
  // A thread that enters OpenMP gets a team of its own, which would fight
  // with the one that trains.
  set_num_threads(1);
  const auto depth = static_cast<std::int64_t>(slots_.size());
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    room_.wait(lock, [&] {
      return stopping_ || claimed_ == last_ || claimed_ < handed_ + depth;
    });
    if (stopping_ || claimed_ == last_) return;
    const std::int64_t step = claimed_++;
    lock.unlock();
    Slot made;
    made.ready = true;
    try {
      made.batch = make_(step);
    } catch (...) {
      made.error = std::current_exception();
    }
    lock.lock();
    slot(step) = std::move(made);
    ready_.notify_one();
  }
}

Batch Prefetcher::next() {
  if (threads_.empty()) return make_(handed_++);
  Slot taken;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    Slot& wanted = slot(handed_);
    ready_.wait(lock, [&] { return wanted.ready; });
    taken = std::exchange(wanted, Slot());
    ++handed_;
  }
  // All: the end is seen by every thread, not just by one.
  room_.notify_all();
  if (taken.error) std::rethrow_exception(taken.error);
  return std::move(taken.batch);
}

}  // namespace mjolnir::data::detail
