#pragma once

#include <cmath>
#include <cstdint>

namespace mjolnir::kernels {

/** Exponentials worth a thread. */
constexpr std::int64_t exp_grain = 4096;

/**
 * y = e^(x - m), m = max x; gives sum y, in double, and m. All three are NaN
 * if an x is.
 *
 * x, y (n), whose neighbours lie `step` apart; n >= 1.
 */
template <class T>
double exp_row(std::int64_t n, std::int64_t step, const T* x, T* y,
               T* largest) {
  T best = x[0];
  for (std::int64_t i = 1; i < n; ++i) {
    const T value = x[i * step];
    if (!(value <= best) && best == best) best = value;
  }
  double total = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    const T e = std::exp(x[i * step] - best);
    y[i * step] = e;
    total += e;
  }
  *largest = best;
  return total;
}

}  // namespace mjolnir::kernels
