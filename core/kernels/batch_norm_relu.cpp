#include "core/kernels/batch_norm_relu.h"

#include "core/kernels/batch_norm_columns.h"
#include "core/kernels/columns.h"

namespace mjolnir::kernels {

template <class T>
void batch_norm_relu_forward(std::int64_t rows, std::int64_t columns,
                             const NormColumns<T>& of, const T* x,
                             const T* addend, T* y) {
  const Scratch<T> centre(columns), scale(columns), shift(columns);
  affine_columns(columns, of.mean, of.inverse_std, of.w, of.b, centre.data(),
                 scale.data(), shift.data());
  const T *m = centre.data(), *k = scale.data(), *k0 = shift.data();
  for_each_element(rows, columns, [=](std::int64_t r, std::int64_t c) {
    const std::int64_t i = r * columns + c;
    T value = (x[i] - m[c]) * k[c] + k0[c];
    if (addend != nullptr) value += addend[i];
    y[i] = value <= T(0) ? T(0) : value;
  });
}

template <class T>
void batch_norm_relu_backward(std::int64_t rows, std::int64_t columns,
                              const NormColumns<T>& of,
                              const NormReluGradient<T>& to) {
  const Scratch<T> centre(columns), scale(columns), shift(columns);
  affine_columns(columns, of.mean, of.inverse_std, of.w, of.b, centre.data(),
                 scale.data(), shift.data());
  const T *m = centre.data(), *k = scale.data(), *k0 = shift.data();
  const T *x = to.x, *y = to.y, *dy = to.dy;
  // g, the gradient of what relu is applied to
  const auto masked = [=](std::int64_t i, std::int64_t c) {
    const T value = y == nullptr ? (x[i] - m[c]) * k[c] + k0[c] : y[i];
    return value <= T(0) ? T(0) : dy[i];
  };
  if (T* const daddend = to.daddend; daddend != nullptr) {
    for_each_element(rows, columns, [=](std::int64_t r, std::int64_t c) {
      daddend[r * columns + c] = masked(r * columns + c, c);
    });
  }
  // sums: of g, and of g (x - mean)
  const Scratch<double> sums(2 * columns);
  if (to.training || to.dw != nullptr || to.db != nullptr) {
    reduce_columns<2, T>(rows, columns, sums.data(),
                         [=](std::int64_t r, std::int64_t c) {
                           const std::int64_t i = r * columns + c;
                           const T g = masked(i, c);
                           return std::array<T, 2>{g, g * (x[i] - m[c])};
                         });
    parameter_gradients(columns, of.mean, of.inverse_std, m, sums.data(), to.dw,
                        to.db);
  }
  T* const dx = to.dx;
  if (dx == nullptr) return;
  if (!to.training) {
    for_each_element(rows, columns, [=](std::int64_t r, std::int64_t c) {
      dx[r * columns + c] = k[c] * masked(r * columns + c, c);
    });
    return;
  }
  const Scratch<T> slope(columns), offset(columns);
  gradient_columns(rows, columns, of.mean, of.inverse_std, of.w, m, sums.data(),
                   slope.data(), offset.data());
  const T *k1 = slope.data(), *k2 = offset.data();
  for_each_element(rows, columns, [=](std::int64_t r, std::int64_t c) {
    const std::int64_t i = r * columns + c;
    dx[i] = k[c] * masked(i, c) + (k1[c] * (x[i] - m[c]) + k2[c]);
  });
}

#define MJOLNIR_INSTANTIATE(T)                                           \
  template void batch_norm_relu_forward(std::int64_t, std::int64_t,      \
                                        const NormColumns<T>&, const T*, \
                                        const T*, T*);                   \
  template void batch_norm_relu_backward(std::int64_t, std::int64_t,     \
                                         const NormColumns<T>&,          \
                                         const NormReluGradient<T>&);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels
