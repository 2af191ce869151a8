#pragma once

#include <cstdint>

/**
 * Batch normalisation, an optional addend and ReLU of matrices (rows,
 * columns) in one pass. The statistics are those of column_moments and
 * invert_std (norm.h); sums are in double and do not depend on the number of
 * threads. T is float or double; the fast twins do the same with the vectors
 * of this CPU.
 */
namespace mjolnir::kernels {

/** What belongs to a column; all (C), w and b may be null (1 and 0). */
template <class T>
struct NormColumns {
  const double* mean = nullptr;
  const double* inverse_std = nullptr;
  const T* w = nullptr;
  const T* b = nullptr;
};

/**
 * y = relu((x - mean) inverse_std w + b + addend); relu keeps NaN.
 *
 * x, addend, y (R,C); addend may be null (0).
 */
template <class T>
void batch_norm_relu_forward(std::int64_t rows, std::int64_t columns,
                             const NormColumns<T>& of, const T* x,
                             const T* addend, T* y);
void batch_norm_relu_forward_fast(std::int64_t rows, std::int64_t columns,
                                  const NormColumns<float>& of, const float* x,
                                  const float* addend, float* y);

/** What the gradients are made of and where they go. */
template <class T>
struct NormReluGradient {
  /** Whether mean and inverse_std are those of x, or constants. */
  bool training = false;
  const T* x = nullptr;   ///< (R,C)
  const T* dy = nullptr;  ///< (R,C)
  /** (R,C), or null without an addend: its sign then follows from x. */
  const T* y = nullptr;
  // Null where nobody wants it.
  T* dx = nullptr;       ///< (R,C)
  T* daddend = nullptr;  ///< (R,C), together with y alone.
  T* dw = nullptr;       ///< (C)
  T* db = nullptr;       ///< (C)
};

/**
 * With g = dy where y > 0 (or NaN) and 0 elsewhere: daddend = g, and the rest
 * as batch_norm_backward of g.
 */
template <class T>
void batch_norm_relu_backward(std::int64_t rows, std::int64_t columns,
                              const NormColumns<T>& of,
                              const NormReluGradient<T>& to);
void batch_norm_relu_backward_fast(std::int64_t rows, std::int64_t columns,
                                   const NormColumns<float>& of,
                                   const NormReluGradient<float>& to);

}  // namespace mjolnir::kernels
