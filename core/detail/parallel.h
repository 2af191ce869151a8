#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>

#include <mjolnir/core/threads.h>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace mjolnir::detail {

/** Threads parallel_for would use for n items, at least `grain` each. */
inline int threads_for(std::int64_t n, std::int64_t grain) noexcept {
  const std::int64_t useful = n / std::max<std::int64_t>(grain, 1);
  if (useful <= 1) return 1;
  return static_cast<int>(std::min<std::int64_t>(num_threads(), useful));
}

/** Which of the threads of a parallel_for is calling, from 0 on. */
inline int thread_number() noexcept {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

/**
 * Calls f(begin, end) on chunks of [0, n): one contiguous chunk a thread,
 * cut the same way for the same thread count. The first exception (by chunk)
 * is rethrown. Inside another parallel region it runs serially.
 */
template <class F>
inline void parallel_for(std::int64_t n, std::int64_t grain, F&& f) {
  const int threads = threads_for(n, grain);
  if (threads <= 1) {
    if (n > 0) f(std::int64_t{0}, n);
    return;
  }
#ifdef _OPENMP
  std::exception_ptr failure;
  int failed_chunk = threads;
#pragma omp parallel num_threads(threads)
  {
    const int team = omp_get_num_threads();
    const int me = omp_get_thread_num();
    const std::int64_t begin = n * me / team;
    const std::int64_t end = n * (me + 1) / team;
    try {
      if (begin < end) f(begin, end);
    } catch (...) {
#pragma omp critical(mjolnir_parallel_for)
      if (me < failed_chunk) {
        failed_chunk = me;
        failure = std::current_exception();
      }
    }
  }
  if (failure) std::rethrow_exception(failure);
#else
  f(std::int64_t{0}, n);
#endif
}

}  // namespace mjolnir::detail

namespace mjolnir {
using detail::parallel_for;
}  // namespace mjolnir
