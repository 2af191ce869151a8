#pragma once

#include <cstdint>

/**
 * What the elements of a column have in common in batch normalisation,
 * computed in double and rounded once. All buffers are (C); w and b may be
 * null (1 and 0). T is float or double.
 */
namespace mjolnir::kernels {

/**
 * y = (x - mean) inverse_std w + b as (x - centre) scale + shift, where shift
 * makes up for the rounded centre.
 */
template <class T>
void affine_columns(std::int64_t columns, const double* mean,
                    const double* inverse_std, const T* w, const T* b,
                    T* centre, T* scale, T* shift) {
  for (std::int64_t c = 0; c < columns; ++c) {
    const double a = inverse_std[c] * (w == nullptr ? 1.0 : double(w[c]));
    centre[c] = static_cast<T>(mean[c]);
    scale[c] = static_cast<T>(a);
    shift[c] = static_cast<T>((b == nullptr ? 0.0 : double(b[c])) +
                              a * (double(centre[c]) - mean[c]));
  }
}

/**
 * From the sums of dy and of dy (x - centre): db is the first; the second
 * becomes the sum of dy (x - mean), and dw = inverse_std times that. dw and db
 * may be null; sums (2,C).
 */
template <class T>
void parameter_gradients(std::int64_t columns, const double* mean,
                         const double* inverse_std, const T* centre,
                         double* sums, T* dw, T* db) {
  for (std::int64_t c = 0; c < columns; ++c) {
    sums[columns + c] += (double(centre[c]) - mean[c]) * sums[c];
    if (db != nullptr) db[c] = static_cast<T>(sums[c]);
    if (dw != nullptr) {
      dw[c] = static_cast<T>(sums[columns + c] * inverse_std[c]);
    }
  }
}

/**
 * dx = w inverse_std (dy - db/R - xhat dw/R) as
 * scale dy + slope (x - centre) + offset; sums (2,C) of dy and dy (x - mean).
 */
template <class T>
void gradient_columns(std::int64_t rows, std::int64_t columns,
                      const double* mean, const double* inverse_std, const T* w,
                      const T* centre, const double* sums, T* slope,
                      T* offset) {
  for (std::int64_t c = 0; c < columns; ++c) {
    const double s = inverse_std[c];
    const double a = s * (w == nullptr ? 1.0 : double(w[c]));
    const double k1 = -a * s * s * sums[columns + c] / double(rows);
    slope[c] = static_cast<T>(k1);
    offset[c] = static_cast<T>(-a * sums[c] / double(rows) +
                               k1 * (double(centre[c]) - mean[c]));
  }
}

}  // namespace mjolnir::kernels
