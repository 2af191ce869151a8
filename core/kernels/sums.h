#pragma once

#include <algorithm>
#include <cstdint>

#include "core/detail/parallel.h"
#include "core/detail/scratch.h"

namespace mjolnir::kernels {

/** sum_i x_i y_i in double, on one thread. x, y (n) */
template <class T>
double dot_serial(std::int64_t n, const T* x, const T* y) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) {
    sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  }
  return sum;
}

/**
 * sum_i x_i y_i in double. Summed in blocks of a fixed length and then in
 * order, so that the result does not depend on the number of threads.
 * x, y (n)
 */
template <class T>
inline double dot(std::int64_t n, const T* x, const T* y) {
  constexpr std::int64_t block = std::int64_t{1} << 13;
  const std::int64_t blocks = (n + block - 1) / block;
  const Scratch<double> partial(blocks);
  parallel_for(blocks, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t start = b * block;
      partial[b] = dot_serial(std::min(block, n - start), x + start, y + start);
    }
  });
  double total = 0;
  for (std::int64_t b = 0; b < blocks; ++b) total += partial[b];
  return total;
}

/** Clamps x (n) to [-limit, limit] into y (n). */
template <class T>
void clamp_to(std::int64_t n, const T* x, T limit, T* y) {
  parallel_for(n, std::int64_t{1} << 15,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   y[i] = std::min(std::max(x[i], -limit), limit);
                 }
               });
}

}  // namespace mjolnir::kernels
