#include "core/kernels/gemm.h"

#include <limits>
#include <string>
#include <type_traits>

#include <mjolnir/core/error.h>

#include "core/kernels/onednn.h"

#include <xtensor-blas/xblas.hpp>

namespace mjolnir::kernels {
namespace {

int blas_int(std::int64_t value) {
  if (value > std::numeric_limits<int>::max()) {
    throw ValueError("[gemm] expected lengths below 2^31, got " +
                     std::to_string(value));
  }
  return static_cast<int>(value);
}

template <class T>
void scale(std::int64_t m, std::int64_t n, T beta, T* c, std::int64_t ldc) {
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      c[i * ldc + j] = beta == T(0) ? T(0) : beta * c[i * ldc + j];
    }
  }
}

}  // namespace

template <class T>
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n,
          std::int64_t k, T alpha, const T* a, std::int64_t lda, const T* b,
          std::int64_t ldb, T beta, T* c, std::int64_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) return scale(m, n, beta, c, ldc);
  if constexpr (std::is_same_v<T, float>) {
    if (onednn::sgemm(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb,
                      beta, c, ldc)) {
      return;
    }
  }
  const auto transpose = [](bool yes) {
    return yes ? cxxblas::Trans : cxxblas::NoTrans;
  };
  cxxblas::gemm<int>(cxxblas::RowMajor, transpose(transpose_a),
                     transpose(transpose_b), blas_int(m), blas_int(n),
                     blas_int(k), alpha, a, blas_int(lda), b, blas_int(ldb),
                     beta, c, blas_int(ldc));
}

template <class T>
void gemm_reference(bool transpose_a, bool transpose_b, std::int64_t m,
                    std::int64_t n, std::int64_t k, T alpha, const T* a,
                    std::int64_t lda, const T* b, std::int64_t ldb, T beta,
                    T* c, std::int64_t ldc) {
  scale(m, n, beta, c, ldc);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l) {
        sum += double(transpose_a ? a[l * lda + i] : a[i * lda + l]) *
               double(transpose_b ? b[j * ldb + l] : b[l * ldb + j]);
      }
      c[i * ldc + j] += static_cast<T>(double(alpha) * sum);
    }
  }
}

template void gemm(bool, bool, std::int64_t, std::int64_t, std::int64_t, float,
                   const float*, std::int64_t, const float*, std::int64_t,
                   float, float*, std::int64_t);
template void gemm(bool, bool, std::int64_t, std::int64_t, std::int64_t, double,
                   const double*, std::int64_t, const double*, std::int64_t,
                   double, double*, std::int64_t);
template void gemm_reference(bool, bool, std::int64_t, std::int64_t,
                             std::int64_t, float, const float*, std::int64_t,
                             const float*, std::int64_t, float, float*,
                             std::int64_t);
template void gemm_reference(bool, bool, std::int64_t, std::int64_t,
                             std::int64_t, double, const double*, std::int64_t,
                             const double*, std::int64_t, double, double*,
                             std::int64_t);

}  // namespace mjolnir::kernels
