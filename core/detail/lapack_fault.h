#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

namespace mjolnir::detail {

/** What tests make of LAPACK's answers, to see who notices. */
enum class LapackFault : std::uint8_t {
  None,
  Refuses,   ///< A good matrix is not positive definite; no convergence.
  Zeros,     ///< Success, and a result that is 0 everywhere.
  Wrong,     ///< Success, and one number of the result is another.
  NotFinite  ///< Success, and a NaN in the result.
};

/** The fault of every factorisation from now on, on all threads. */
inline std::atomic<LapackFault>& lapack_fault() noexcept {
  static std::atomic<LapackFault> fault{LapackFault::None};
  return fault;
}

/** Holds a fault in its scope. */
class ScopedLapackFault {
 public:
  explicit ScopedLapackFault(LapackFault fault) { lapack_fault() = fault; }
  ~ScopedLapackFault() { lapack_fault() = LapackFault::None; }
  ScopedLapackFault(const ScopedLapackFault&) = delete;
  ScopedLapackFault& operator=(const ScopedLapackFault&) = delete;
};

/** LAPACK's info and its result, n numbers, as the fault has them. */
template <class T>
int with_fault(int info, std::int64_t n = 0, T* result = nullptr) {
  const LapackFault fault = lapack_fault().load(std::memory_order_relaxed);
  if (fault == LapackFault::None) return info;
  if (fault == LapackFault::Refuses) return 1;
  if (n == 0) return info;
  T& last = result[n - 1];
  if (fault == LapackFault::Zeros) std::fill_n(result, n, T{0});
  if (fault == LapackFault::Wrong) last = T{3} * last + T{1};
  if (fault == LapackFault::NotFinite) {
    last = std::numeric_limits<T>::quiet_NaN();
  }
  return info;
}

}  // namespace mjolnir::detail
