#include "core/detail/lapack.h"

#include <algorithm>

#include <xtensor-blas/xblas.hpp>
#include <xtensor-blas/xlapack.hpp>

#include "core/detail/blas.h"
#include "core/detail/finite.h"
#include "core/detail/lapack_check.h"
#include "core/detail/lapack_fault.h"
#include "core/kernels/mirror.h"

namespace mjolnir::detail {
namespace {

/** LAPACK wants a leading dimension of at least 1. */
int leading(std::int64_t n) { return std::max(1, blas_int("linalg", n)); }

}  // namespace

template <class T>
void blas_syrk_lower(bool transpose, std::int64_t n, std::int64_t k, T alpha,
                     const T* a, std::int64_t lda, T beta, T* c,
                     std::int64_t ldc) {
  if (n == 0) return;
  cxxblas::syrk(cxxblas::RowMajor, cxxblas::Lower,
                transpose ? cxxblas::Trans : cxxblas::NoTrans,
                blas_int("linalg::syrk", n), blas_int("linalg::syrk", k), alpha,
                a, leading(lda), beta, c, leading(ldc));
}

template <class T>
linalg::Status invert_spd(T* a, std::int64_t n, T diagonal) {
  if (n == 0) return linalg::Status::Ok;
  for (std::int64_t i = 0; i < n; ++i) {
    if (!all_finite(a + i * n, i + 1)) return linalg::Status::NotFinite;
    a[i * n + i] += diagonal;
    if (!all_finite(a + i * n + i, 1)) return linalg::Status::NotFinite;
  }
  const RowSums sums = row_sums(n, a);
  // LAPACK counts columns: our lower triangle is its upper one.
  const int size = blas_int("linalg::cholesky_inverse", n);
  if (with_fault<T>(cxxlapack::potrf('U', size, a, size)) != 0) {
    return linalg::Status::NotPositiveDefinite;
  }
  if (with_fault(cxxlapack::potri('U', size, a, size), n * n, a) != 0) {
    return linalg::Status::Singular;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    if (!all_finite(a + i * n, i + 1)) return linalg::Status::Singular;
  }
  kernels::mirror(kernels::Triangle::Lower, n, a);
  return is_inverse(n, a, sums) ? linalg::Status::Ok
                                : linalg::Status::WronglyFactored;
}

template void blas_syrk_lower(bool, std::int64_t, std::int64_t, float,
                              const float*, std::int64_t, float, float*,
                              std::int64_t);
template void blas_syrk_lower(bool, std::int64_t, std::int64_t, double,
                              const double*, std::int64_t, double, double*,
                              std::int64_t);
template linalg::Status invert_spd(float*, std::int64_t, float);
template linalg::Status invert_spd(double*, std::int64_t, double);

}  // namespace mjolnir::detail
