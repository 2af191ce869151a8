#include <cmath>

#include "core/kernels/batch_norm_columns.h"
#include "core/kernels/columns.h"
#include "core/kernels/norm.h"

namespace mjolnir::kernels {

template <class T>
void column_moments(std::int64_t rows, std::int64_t columns, const T* x,
                    double* mean, double* variance) {
  // Deviations from a guess of the mean do not cancel in their squares.
  const Scratch<T> guess(columns);
  const std::int64_t samples = std::min<std::int64_t>(rows, 64);
  for (std::int64_t c = 0; c < columns; ++c) {
    double sum = 0;
    for (std::int64_t i = 0; i < samples; ++i) {
      sum += double(x[rows * i / samples * columns + c]);
    }
    guess[c] = static_cast<T>(sum / double(samples));
  }
  const Scratch<double> sums(2 * columns);
  reduce_columns<2, T>(
      rows, columns, sums.data(),
      [=, shift = guess.data()](std::int64_t r, std::int64_t c) {
        const T d = x[r * columns + c] - shift[c];
        return std::array<T, 2>{d, d * d};
      });
  for (std::int64_t c = 0; c < columns; ++c) {
    const double shift = sums[c] / double(rows);
    const double spread = sums[columns + c] / double(rows) - shift * shift;
    mean[c] = double(guess[c]) + shift;
    variance[c] = spread < 0 ? 0 : spread;
  }
}

template <class T>
void update_running(std::int64_t rows, std::int64_t columns, double momentum,
                    const double* mean, const double* variance, T* running_mean,
                    T* running_variance) {
  const double unbiased = double(rows) / double(rows - 1);
  const auto step = [&](T& running, double now) {
    running = static_cast<T>((1 - momentum) * double(running) + momentum * now);
  };
  for (std::int64_t c = 0; c < columns; ++c) {
    step(running_mean[c], mean[c]);
    step(running_variance[c], variance[c] * unbiased);
  }
}

template <class T>
void fixed_moments(std::int64_t columns, const T* running_mean,
                   const T* running_variance, double* mean, double* variance) {
  std::copy_n(running_mean, columns, mean);
  std::copy_n(running_variance, columns, variance);
}

void invert_std(std::int64_t columns, double epsilon, double* variance) {
  for (std::int64_t c = 0; c < columns; ++c) {
    variance[c] = 1 / std::sqrt(variance[c] + epsilon);
  }
}

template <class T>
void batch_norm_forward(std::int64_t rows, std::int64_t columns, const T* x,
                        const double* mean, const double* inverse_std,
                        const T* w, const T* b, T* y) {
  const Scratch<T> centre(columns), scale(columns), shift(columns);
  affine_columns(columns, mean, inverse_std, w, b, centre.data(), scale.data(),
                 shift.data());
  for_each_element(rows, columns,
                   [=, m = centre.data(), k = scale.data(), k0 = shift.data()](
                       std::int64_t r, std::int64_t c) {
                     const std::int64_t i = r * columns + c;
                     y[i] = (x[i] - m[c]) * k[c] + k0[c];
                   });
}

template <class T>
void batch_norm_backward(std::int64_t rows, std::int64_t columns, bool training,
                         const T* x, const T* dy, const double* mean,
                         const double* inverse_std, const T* w, T* dx, T* dw,
                         T* db) {
  const Scratch<T> centre(columns), scale(columns), shift(columns);
  affine_columns<T>(columns, mean, inverse_std, w, nullptr, centre.data(),
                    scale.data(), shift.data());
  // sums: of dy, and of dy (x - mean)
  const Scratch<double> sums(2 * columns);
  if (training || dw != nullptr || db != nullptr) {
    reduce_columns<2, T>(
        rows, columns, sums.data(),
        [=, m = centre.data()](std::int64_t r, std::int64_t c) {
          const std::int64_t i = r * columns + c;
          return std::array<T, 2>{dy[i], dy[i] * (x[i] - m[c])};
        });
    parameter_gradients(columns, mean, inverse_std, centre.data(), sums.data(),
                        dw, db);
  }
  if (dx == nullptr) return;
  const Scratch<T> slope(columns), offset(columns);
  const T *m = centre.data(), *k = scale.data();
  const T *k1 = slope.data(), *k0 = offset.data();
  if (training) {
    gradient_columns(rows, columns, mean, inverse_std, w, centre.data(),
                     sums.data(), slope.data(), offset.data());
    for_each_element(rows, columns, [=](std::int64_t r, std::int64_t c) {
      const std::int64_t i = r * columns + c;
      dx[i] = k[c] * dy[i] + (k1[c] * (x[i] - m[c]) + k0[c]);
    });
  } else {
    for_each_element(rows, columns, [=](std::int64_t r, std::int64_t c) {
      dx[r * columns + c] = k[c] * dy[r * columns + c];
    });
  }
}

#define MJOLNIR_INSTANTIATE(T)                                                \
  template void column_moments(std::int64_t, std::int64_t, const T*, double*, \
                               double*);                                      \
  template void update_running(std::int64_t, std::int64_t, double,            \
                               const double*, const double*, T*, T*);         \
  template void fixed_moments(std::int64_t, const T*, const T*, double*,      \
                              double*);                                       \
  template void batch_norm_forward(std::int64_t, std::int64_t, const T*,      \
                                   const double*, const double*, const T*,    \
                                   const T*, T*);                             \
  template void batch_norm_backward(std::int64_t, std::int64_t, bool,         \
                                    const T*, const T*, const double*,        \
                                    const double*, const T*, T*, T*, T*);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels
