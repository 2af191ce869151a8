#pragma once

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
 * w, g, m, s (n)
 */
template <class T>
void adamw_step(std::int64_t n, T* w, const T* g, T* m, T* s,
                const AdamWStep<T>& step) {
  parallel_for(
      n, std::int64_t{1} << 14, [&](std::int64_t begin, std::int64_t end) {
        const AdamWStep<T> c = step;
#pragma omp simd
        for (std::int64_t i = begin; i < end; ++i) {
          const T gradient = c.gradient_scale * g[i];
          const T first = m[i] + (T{1} - c.beta1) * (gradient - m[i]);
          const T second =
              c.beta2 * s[i] + (T{1} - c.beta2) * gradient * gradient;
          m[i] = first;
          s[i] = second;
          w[i] =
              c.shrink * w[i] -
              c.rate * first / (std::sqrt(second) * c.second_scale + c.epsilon);
        }
      });
}

}  // namespace mjolnir::optim::kernels
