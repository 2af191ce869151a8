#pragma once

#include <atomic>
#include <cstdint>

#include <mjolnir/core/tensor.h>

#include "core/detail/dispatch.h"
#include "core/detail/parallel.h"

namespace mjolnir::detail {

/** False if any of the n values is a NaN or an infinity. */
template <class T>
bool all_finite(const T* x, std::int64_t n) noexcept {
  T poison = 0;  // x * 0 is 0, or NaN for a NaN or an infinity
#pragma omp simd reduction(+ : poison)
  for (std::int64_t i = 0; i < n; ++i) poison += x[i] * T{0};
  return poison == T{0};
}

/** all_finite() on every thread. */
template <class T>
bool all_finite_parallel(const T* x, std::int64_t n) {
  std::atomic<bool> finite{true};
  parallel_for(n, std::int64_t{1} << 16,
               [&](std::int64_t begin, std::int64_t end) {
                 if (!all_finite(x + begin, end - begin)) finite = false;
               });
  return finite;
}

/** The same of a floating tensor. */
inline bool is_finite(const Tensor& x) {
  return dispatch_float("is_finite", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    return all_finite_parallel(x.data<T>(), x.numel());
  });
}

}  // namespace mjolnir::detail
