#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include "core/detail/storage.h"

namespace mjolnir::detail {

/** Uninitialised working memory of a kernel for a scope, 64-byte aligned,
 * from the tensor cache; throws std::bad_alloc. */
template <class T>
class Scratch {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit Scratch(std::int64_t count)
      : bytes_(static_cast<std::size_t>(count) * sizeof(T)),
        data_(static_cast<T*>(allocate(bytes_))) {}
  ~Scratch() { release(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() const noexcept { return data_; }
  T& operator[](std::int64_t i) const noexcept { return data_[i]; }

 private:
  std::size_t bytes_;
  T* data_;
};

}  // namespace mjolnir::detail

namespace mjolnir {
using detail::Scratch;
}  // namespace mjolnir
