#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace mjolnir::detail {

/** Takes at least `bytes` of 64-byte aligned memory from the cache or the
 * system; throws std::bad_alloc. */
void* allocate(std::size_t bytes);

/** Returns memory taken by allocate() with the same size. */
void release(void* memory, std::size_t bytes) noexcept;

/** One buffer of elements and the count of its changes. */
class Storage {
 public:
  explicit Storage(std::size_t bytes) : data_(allocate(bytes)), bytes_(bytes) {}
  /** Memory of others, which `owner` keeps alive. */
  Storage(void* data, std::size_t bytes, std::shared_ptr<void> owner)
      : data_(data), bytes_(bytes), owner_(std::move(owner)) {}
  ~Storage() {
    if (!owner_) release(data_, bytes_);
  }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const noexcept { return data_; }
  std::size_t bytes() const noexcept { return bytes_; }
  /** True if the memory is others', who may read it at any time. */
  bool adopted() const noexcept { return owner_ != nullptr; }
  std::uint64_t version() const noexcept {
    return version_.load(std::memory_order_relaxed);
  }
  void changed() noexcept { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void* data_;
  std::size_t bytes_;
  std::shared_ptr<void> owner_;  // null: data_ came from allocate()
  std::atomic<std::uint64_t> version_{0};
};

}  // namespace mjolnir::detail
