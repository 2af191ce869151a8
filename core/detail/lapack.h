#pragma once

#include <cstdint>

#include <mjolnir/core/linalg.h>

/**
 * BLAS and LAPACK on raw row-major buffers, for kernels and for many small
 * blocks at once. Inside a parallel region each call runs on its own thread
 * (OpenBLAS's OpenMP flavour sees the region); nothing here changes a thread
 * count. Instantiated for float and double.
 */
namespace mjolnir::detail {

/**
 * c = alpha a a^T + beta c, a (n,k); or alpha a^T a + beta c, a (k,n), if
 * transposed. c (n,n): the lower triangle alone is read and written.
 */
template <class T>
void blas_syrk_lower(bool transpose, std::int64_t n, std::int64_t k, T alpha,
                     const T* a, std::int64_t lda, T beta, T* c,
                     std::int64_t ldc);

/**
 * a (n,n) <- (a + diagonal I)^-1 from the lower triangle of a; both triangles
 * are written. On failure a is left undefined.
 */
template <class T>
linalg::Status invert_spd(T* a, std::int64_t n, T diagonal);

}  // namespace mjolnir::detail
