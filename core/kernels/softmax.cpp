#include "core/kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "core/detail/parallel.h"
#include "core/kernels/elementwise_vector.h"
#include "core/kernels/exp_row.h"
#include "core/kernels/grain.h"

namespace mjolnir::kernels {
namespace {

// Calls f(row) with the first element of each of the outer x inner rows.
template <class F>
void for_each_row(std::int64_t outer, std::int64_t classes, std::int64_t inner,
                  F f) {
  if (classes == 0) return;
  parallel_for(outer * inner, grain_of(classes, exp_grain),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   f(i / inner * classes * inner + i % inner);
                 }
               });
}

}  // namespace

template <class T>
void softmax(std::int64_t outer, std::int64_t classes, std::int64_t inner,
             const T* x, T* y) {
  for_each_row(outer, classes, inner, [=](std::int64_t first) {
    const T* from = x + first;
    T* to = y + first;
    T largest = 0;
    const double total = exp_row(classes, inner, from, to, &largest);
    const T scale = static_cast<T>(1.0 / total);
    for (std::int64_t c = 0; c < classes; ++c) to[c * inner] *= scale;
  });
}

void softmax_fast(std::int64_t rows, std::int64_t classes, const float* x,
                  float* y) {
  const ExpRow exp_row = vector_loops().exp_row;
  for_each_row(rows, classes, 1, [=](std::int64_t first) {
    float largest = 0.0f;
    float* to = y + first;
    const double total = exp_row(classes, x + first, to, &largest);
    const auto scale = static_cast<float>(1.0 / total);
    for (std::int64_t c = 0; c < classes; ++c) to[c] *= scale;
  });
}

template <class T>
void softmax_gradient(std::int64_t outer, std::int64_t classes,
                      std::int64_t inner, const T* y, const T* dy, T* dx) {
  for_each_row(outer, classes, inner, [=](std::int64_t first) {
    double dot = 0.0;
    for (std::int64_t c = 0; c < classes; ++c) {
      const std::int64_t i = first + c * inner;
      dot += static_cast<double>(y[i]) * dy[i];
    }
    for (std::int64_t c = 0; c < classes; ++c) {
      const std::int64_t i = first + c * inner;
      dx[i] = y[i] * (dy[i] - static_cast<T>(dot));
    }
  });
}

template <class T>
void log_softmax(std::int64_t outer, std::int64_t classes, std::int64_t inner,
                 const T* x, T* y) {
  for_each_row(outer, classes, inner, [=](std::int64_t first) {
    const T* from = x + first;
    T* to = y + first;
    T largest = 0;
    const T shift =
        static_cast<T>(std::log(exp_row(classes, inner, from, to, &largest)));
    for (std::int64_t c = 0; c < classes; ++c) {
      to[c * inner] = from[c * inner] - largest - shift;
    }
  });
}

void log_softmax_fast(std::int64_t rows, std::int64_t classes, const float* x,
                      float* y) {
  const ExpRow exp_row = vector_loops().exp_row;
  for_each_row(rows, classes, 1, [=](std::int64_t first) {
    float largest = 0.0f;
    const float* from = x + first;
    float* to = y + first;
    const auto shift =
        static_cast<float>(std::log(exp_row(classes, from, to, &largest)));
    for (std::int64_t c = 0; c < classes; ++c) {
      to[c] = from[c] - largest - shift;
    }
  });
}

template <class T>
void log_softmax_gradient(std::int64_t outer, std::int64_t classes,
                          std::int64_t inner, const T* y, const T* dy, T* dx) {
  for_each_row(outer, classes, inner, [=](std::int64_t first) {
    double total = 0.0;
    for (std::int64_t c = 0; c < classes; ++c) total += dy[first + c * inner];
    for (std::int64_t c = 0; c < classes; ++c) {
      const std::int64_t i = first + c * inner;
      dx[i] = dy[i] - std::exp(y[i]) * static_cast<T>(total);
    }
  });
}

#define MJOLNIR_INSTANTIATE(T)                                                 \
  template void softmax(std::int64_t, std::int64_t, std::int64_t, const T*,    \
                        T*);                                                   \
  template void softmax_gradient(std::int64_t, std::int64_t, std::int64_t,     \
                                 const T*, const T*, T*);                      \
  template void log_softmax(std::int64_t, std::int64_t, std::int64_t,          \
                            const T*, T*);                                     \
  template void log_softmax_gradient(std::int64_t, std::int64_t, std::int64_t, \
                                     const T*, const T*, T*);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels
