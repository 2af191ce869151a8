#pragma once

#include <cstdint>

namespace mjolnir::kernels {

/**
 * C = alpha op(A) op(B) + beta C, where op transposes if asked to.
 *
 * Row-major: op(A) (m,k), op(B) (k,n), C (m,n); `lda`, `ldb`, `ldc` are the
 * distances between the rows as stored. With beta = 0, C is only written.
 * f32 runs on oneDNN where the library was built with it, f64 on BLAS.
 * Throws ValueError for a length above 2^31 - 1. T is float or double.
 */
template <class T>
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n,
          std::int64_t k, T alpha, const T* a, std::int64_t lda, const T* b,
          std::int64_t ldb, T beta, T* c, std::int64_t ldc);

/** The same by three loops, with sums in double. */
template <class T>
void gemm_reference(bool transpose_a, bool transpose_b, std::int64_t m,
                    std::int64_t n, std::int64_t k, T alpha, const T* a,
                    std::int64_t lda, const T* b, std::int64_t ldb, T beta,
                    T* c, std::int64_t ldc);

}  // namespace mjolnir::kernels
