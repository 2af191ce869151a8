#pragma once

#include <cstdint>

namespace mjolnir::kernels {

/** The targets of a cross entropy: labels or probabilities, one is null. */
template <class T>
struct Targets {
  const std::int64_t* labels = nullptr;  // (N)
  const T* probabilities = nullptr;      // (N,C)
  double smoothing = 0.0;                // q' = (1 - s) q + s / C
};

// loss_n = sum_c q'_c (log sum e^(x - m) - (x_c - m)), m = max x of the row
// x (N,C), loss (N)
template <class T>
void cross_entropy(std::int64_t samples, std::int64_t classes, const T* x,
                   const Targets<T>& targets, T* loss);

void cross_entropy_fast(std::int64_t samples, std::int64_t classes,
                        const float* x, const Targets<float>& targets,
                        float* loss);

// dx = scale dy_n (softmax(x) sum q' - q'); step 0 takes dy_0 for all
// x, dx (N,C), dy (N) or (1)
template <class T>
void cross_entropy_gradient(std::int64_t samples, std::int64_t classes,
                            const T* x, const Targets<T>& targets, double scale,
                            const T* dy, std::int64_t step, T* dx);
void cross_entropy_gradient_fast(std::int64_t samples, std::int64_t classes,
                                 const float* x, const Targets<float>& targets,
                                 double scale, const float* dy,
                                 std::int64_t step, float* dx);

}  // namespace mjolnir::kernels
