#pragma once

#include <cstdint>

namespace mjolnir::kernels {

// Rows of C numbers that lie `inner` apart: x (outer,C,inner).

// y = e^(x - m) / sum e^(x - m), m = max x of the row
template <class T>
void softmax(std::int64_t outer, std::int64_t classes, std::int64_t inner,
             const T* x, T* y);

// The same for rows that are contiguous: x, y (rows,C).
void softmax_fast(std::int64_t rows, std::int64_t classes, const float* x,
                  float* y);

// dx = y (dy - sum y dy)
template <class T>
void softmax_gradient(std::int64_t outer, std::int64_t classes,
                      std::int64_t inner, const T* y, const T* dy, T* dx);

// y = (x - m) - log sum e^(x - m)
template <class T>
void log_softmax(std::int64_t outer, std::int64_t classes, std::int64_t inner,
                 const T* x, T* y);

// The same for rows that are contiguous: x, y (rows,C).
void log_softmax_fast(std::int64_t rows, std::int64_t classes, const float* x,
                      float* y);

// dx = dy - e^y sum dy
template <class T>
void log_softmax_gradient(std::int64_t outer, std::int64_t classes,
                          std::int64_t inner, const T* y, const T* dy, T* dx);

}  // namespace mjolnir::kernels
