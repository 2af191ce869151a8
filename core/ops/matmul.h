#pragma once

#include <mjolnir/core/tensor.h>

namespace mjolnir {

/** Options of matmul(). */
struct MatmulOptions {
  /** Multiplies by a with its last two axes exchanged. */
  bool transpose_a = false;
  /** The same for b. */
  bool transpose_b = false;
};

/**
 * Matrix product op(a) op(b) of the last two axes; the axes before them
 * broadcast. Nothing is transposed in memory. Throws ShapeError for a rank
 * below 2 or inner lengths that differ, ValueError for dtypes that differ.
 */
Tensor matmul(const Tensor& a, const Tensor& b,
              const MatmulOptions& options = {});

/**
 * y = x w^T + bias: x (...,I), w (O,I), bias (O) or undefined, y (...,O).
 * Throws ShapeError or ValueError.
 */
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias = {});

}  // namespace mjolnir
