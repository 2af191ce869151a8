#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>

#include "core/detail/parallel.h"

namespace mjolnir::optim::kernels {

/** One step of AdamW for one parameter. */
template <class T>
struct AdamWStep {
  T rate = 0;    ///< learning_rate / (1 - beta1^t)
  T shrink = 1;  ///< 1 - learning_rate * weight_decay
  T beta1 = 0;
  T beta2 = 0;
  T second_scale = 1;  ///< 1 / sqrt(1 - beta2^t)
  T epsilon = 0;
  T gradient_scale = 1;
};

/**
 * m <- beta1 m + (1 - beta1) g;  s <- beta2 s + (1 - beta2) g^2
 * w <- shrink w - rate m / (sqrt(s) second_scale + epsilon)
 * (Loshchilov & Hutter, "Decoupled weight decay regularization", 2019.)
 * w, g, m, s (n). An element whose new w or s is not finite stays as it is,
 * with its m and s; returns whether there was none.
 */
template <class T>
bool adamw_serial(std::int64_t n, T* w, const T* g, T* m, T* s,
                  const AdamWStep<T> c) {
  T poison = 0;
#pragma omp simd reduction(+ : poison)
  for (std::int64_t i = 0; i < n; ++i) {
    const T gradient = c.gradient_scale * g[i];
    const T first = m[i] + (T{1} - c.beta1) * (gradient - m[i]);
    const T second = c.beta2 * s[i] + (T{1} - c.beta2) * gradient * gradient;
    const T moved =
        c.shrink * w[i] -
        c.rate * first / (std::sqrt(second) * c.second_scale + c.epsilon);
    const T zero = (moved + second) * T{0};  // NaN unless both are finite
    poison += zero;
    m[i] = zero == T{0} ? first : m[i];
    s[i] = zero == T{0} ? second : s[i];
    w[i] = zero == T{0} ? moved : w[i];
  }
  return poison == T{0};
}

/** adamw_serial() on every thread. */
template <class T>
bool adamw_step(std::int64_t n, T* w, const T* g, T* m, T* s,
                const AdamWStep<T>& step) {
  std::atomic<bool> finite{true};
  parallel_for(n, std::int64_t{1} << 14,
               [&](std::int64_t begin, std::int64_t end) {
                 if (!adamw_serial(end - begin, w + begin, g + begin, m + begin,
                                   s + begin, step)) {
                   finite = false;
                 }
               });
  return finite;
}

}  // namespace mjolnir::optim::kernels
