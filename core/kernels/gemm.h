#pragma once

#include <cstdint>

#include "core/kernels/loop_nest.h"

namespace mjolnir::kernels {

/**
 * C = alpha op(A) op(B) + beta C, where op transposes if asked to.
 *
 * Row-major: op(A) (m,k), op(B) (k,n), C (m,n); `lda`, `ldb`, `ldc` are the
 * distances between the rows as stored. With beta = 0, C is only written.
 * f32 runs on oneDNN where the library was built with it, f64 on BLAS; long
 * sums of floats are taken in parts. Throws ShapeError for a length above 2^31
 * - 1. T is float or double.
 */
template <class T>
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n,
          std::int64_t k, T alpha, const T* a, std::int64_t lda, const T* b,
          std::int64_t ldb, T beta, T* c, std::int64_t ldc);

/** The same on BLAS in both types: what the fast f32 products are compared
 * with. */
template <class T>
void gemm_blas(bool transpose_a, bool transpose_b, std::int64_t m,
               std::int64_t n, std::int64_t k, T alpha, const T* a,
               std::int64_t lda, const T* b, std::int64_t ldb, T beta, T* c,
               std::int64_t ldc);

/** The same by three loops, with sums in double. */
template <class T>
void gemm_reference(bool transpose_a, bool transpose_b, std::int64_t m,
                    std::int64_t n, std::int64_t k, T alpha, const T* a,
                    std::int64_t lda, const T* b, std::int64_t ldb, T beta,
                    T* c, std::int64_t ldc);

/** One of the three, for kernels that are told which to use. */
template <class T>
using Gemm = void (*)(bool transpose_a, bool transpose_b, std::int64_t m,
                      std::int64_t n, std::int64_t k, T alpha, const T* a,
                      std::int64_t lda, const T* b, std::int64_t ldb, T beta,
                      T* c, std::int64_t ldc);

/** The lengths of op(A) (m,k) op(B) (k,n). */
struct Product {
  bool transpose_a = false, transpose_b = false;
  std::int64_t m = 0, n = 0, k = 0;
};

/**
 * y = op(a) op(b) + beta y of matrices without gaps.
 *
 * a (m,k) or (k,m), b (k,n) or (n,k), y (m,n).
 */
template <class T>
void multiply(const Product& p, Gemm<T> gemm, const T* a, const T* b, T beta,
              T* y) {
  gemm(p.transpose_a, p.transpose_b, p.m, p.n, p.k, T(1), a,
       p.transpose_a ? p.m : p.k, b, p.transpose_b ? p.k : p.n, beta, y, p.n);
}

/**
 * y_i = op(a_i) op(b_i) for each matrix of a batch.
 *
 * y as the nest's output, a and b its operands 0 and 1, counted in matrices.
 */
template <class T>
void multiply_batch(const Product& p, Gemm<T> gemm, const LoopNest& nest,
                    const T* a, const T* b, T* y) {
  const int inner = nest.rank - 1;
  nest.walk(
      0, nest.numel(),
      [&](std::int64_t out, std::int64_t n, const auto& offsets) {
        for (std::int64_t i = 0; i < n; ++i) {
          const std::int64_t at_a = offsets[0] + i * nest.strides[0][inner];
          const std::int64_t at_b = offsets[1] + i * nest.strides[1][inner];
          multiply(p, gemm, a + at_a * p.m * p.k, b + at_b * p.k * p.n, T(0),
                   y + (out + i) * p.m * p.n);
        }
      });
}

}  // namespace mjolnir::kernels
