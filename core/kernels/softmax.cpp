#include "core/kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "core/detail/parallel.h"
#include "core/kernels/elementwise_vector.h"

namespace mjolnir::kernels {
namespace {

constexpr std::int64_t kGrain = 4096;

// Calls f(row) with the first element of each of the outer x inner rows.
template <class F>
void for_each_row(std::int64_t outer, std::int64_t classes, std::int64_t inner,
                  F f) {
  if (classes == 0) return;
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / classes);
  parallel_for(outer * inner, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      f(i / inner * classes * inner + i % inner);
    }
  });
}

// Largest of the row, NaN if there is one.
template <class T>
T row_max(const T* x, std::int64_t classes, std::int64_t step) {
  T best = x[0];
  for (std::int64_t c = 1; c < classes; ++c) {
    const T value = x[c * step];
    if (!(value <= best) && best == best) best = value;
  }
  return best;
}

}  // namespace

template <class T>
void softmax(std::int64_t outer, std::int64_t classes, std::int64_t inner,
             const T* x, T* y) {
  for_each_row(outer, classes, inner, [=](std::int64_t first) {
    const T* from = x + first;
    T* to = y + first;
    const T largest = row_max(from, classes, inner);
    double total = 0.0;
    for (std::int64_t c = 0; c < classes; ++c) {
      const T e = std::exp(from[c * inner] - largest);
      to[c * inner] = e;
      total += e;
    }
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
    const T largest = row_max(from, classes, inner);
    double total = 0.0;
    for (std::int64_t c = 0; c < classes; ++c) {
      total += std::exp(from[c * inner] - largest);
    }
    const T shift = static_cast<T>(std::log(total));
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
