#include <mjolnir/core/linalg.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <xtensor-blas/xblas.hpp>
#include <xtensor-blas/xlapack.hpp>

#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/detail/finite.h"
#include "core/detail/lapack.h"
#include "core/kernels/gemm.h"

namespace mjolnir::detail {
namespace {

int blas_int(std::int64_t n) {
  if (n > std::numeric_limits<int>::max()) {
    throw ShapeError("[linalg] " + std::to_string(n) +
                     " is longer than BLAS can index");
  }
  return static_cast<int>(n);
}

/** LAPACK wants a leading dimension of at least 1. */
int leading(std::int64_t n) { return std::max(1, blas_int(n)); }

}  // namespace

template <class T>
void blas_syrk_lower(bool transpose, std::int64_t n, std::int64_t k, T alpha,
                     const T* a, std::int64_t lda, T beta, T* c,
                     std::int64_t ldc) {
  if (n == 0) return;
  cxxblas::syrk(cxxblas::RowMajor, cxxblas::Lower,
                transpose ? cxxblas::Trans : cxxblas::NoTrans, blas_int(n),
                blas_int(k), alpha, a, leading(lda), beta, c, leading(ldc));
}

template <class T>
void mirror_lower(T* a, std::int64_t n) {
  constexpr std::int64_t tile = 32;  // both tiles of a pair stay in L1
  for (std::int64_t row = 0; row < n; row += tile) {
    for (std::int64_t column = 0; column <= row; column += tile) {
      const std::int64_t row_end = std::min(row + tile, n);
      for (std::int64_t i = row; i < row_end; ++i) {
        const std::int64_t column_end = std::min(column + tile, i);
        for (std::int64_t j = column; j < column_end; ++j) {
          a[j * n + i] = a[i * n + j];
        }
      }
    }
  }
}

template <class T>
linalg::Status invert_spd(T* a, std::int64_t n, T diagonal) {
  if (n == 0) return linalg::Status::Ok;
  for (std::int64_t i = 0; i < n; ++i) {
    if (!all_finite(a + i * n, i + 1)) return linalg::Status::NotFinite;
    a[i * n + i] += diagonal;
    if (!all_finite(a + i * n + i, 1)) return linalg::Status::NotFinite;
  }
  // LAPACK counts columns: our lower triangle is its upper one.
  const int size = blas_int(n);
  if (cxxlapack::potrf('U', size, a, size) != 0) {
    return linalg::Status::NotPositiveDefinite;
  }
  if (cxxlapack::potri('U', size, a, size) != 0) {
    return linalg::Status::Singular;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    if (!all_finite(a + i * n, i + 1)) return linalg::Status::Singular;
  }
  mirror_lower(a, n);
  return linalg::Status::Ok;
}

template void blas_syrk_lower(bool, std::int64_t, std::int64_t, float,
                              const float*, std::int64_t, float, float*,
                              std::int64_t);
template void blas_syrk_lower(bool, std::int64_t, std::int64_t, double,
                              const double*, std::int64_t, double, double*,
                              std::int64_t);
template void mirror_lower(float*, std::int64_t);
template void mirror_lower(double*, std::int64_t);
template linalg::Status invert_spd(float*, std::int64_t, float);
template linalg::Status invert_spd(double*, std::int64_t, double);

}  // namespace mjolnir::detail

namespace mjolnir::linalg {
namespace {

void check_matrix(const char* op, const char* name, const Tensor& x) {
  check_floating(op, x);
  check_rank(op, name, x, 2);
}

std::int64_t check_square(const char* op, const Tensor& a) {
  check_matrix(op, "a", a);
  if (a.size(0) != a.size(1)) {
    throw ShapeError(detail::prefix(op) + "expected a square matrix, got " +
                     "shape " + a.shape().str());
  }
  return a.size(0);
}

template <class T>
bool finite(const Tensor& x) {
  return detail::all_finite(x.data<T>(), x.numel());
}

/** out (n,m) = x^T, x (m,n). */
template <class T>
void transpose_into(const T* x, std::int64_t m, std::int64_t n, T* out) {
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) out[j * m + i] = x[i * n + j];
  }
}

}  // namespace

const char* name_of(Status status) noexcept {
  switch (status) {
    case Status::Ok:
      return "ok";
    case Status::NotFinite:
      return "not finite";
    case Status::NotPositiveDefinite:
      return "not positive definite";
    case Status::Singular:
      return "singular";
    case Status::NotConverged:
      break;
  }
  return "not converged";
}

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a,
              bool transpose_b) {
  check_matrix("linalg::matmul", "a", a);
  check_matrix("linalg::matmul", "b", b);
  check_same_dtype("linalg::matmul", a, b);
  const std::int64_t m = a.size(transpose_a ? 1 : 0);
  const std::int64_t k = a.size(transpose_a ? 0 : 1);
  const std::int64_t n = b.size(transpose_b ? 0 : 1);
  if (b.size(transpose_b ? 1 : 0) != k) {
    throw ShapeError("[linalg::matmul] expected b with " + std::to_string(k) +
                     " inner elements, got shapes " + a.shape().str() +
                     " and " + b.shape().str());
  }
  const Tensor c = Tensor::zeros({m, n}, {a.dtype(), Layout::RowMajor});
  dispatch_float("linalg::matmul", a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::gemm<T>(transpose_a, transpose_b, m, n, k, T{1}, a.data<T>(),
                     a.size(1), b.data<T>(), b.size(1), T{0},
                     c.mutable_data<T>(), n);
  });
  return c;
}

Tensor syrk(const Tensor& a, bool transpose) {
  check_matrix("linalg::syrk", "a", a);
  const std::int64_t n = a.size(transpose ? 1 : 0);
  const std::int64_t k = a.size(transpose ? 0 : 1);
  const Tensor c = Tensor::zeros({n, n}, {a.dtype(), Layout::RowMajor});
  dispatch_float("linalg::syrk", a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* out = c.mutable_data<T>();
    detail::blas_syrk_lower<T>(transpose, n, k, T{1}, a.data<T>(), a.size(1),
                               T{0}, out, n);
    detail::mirror_lower(out, n);
  });
  return c;
}

Result<Tensor> cholesky_inverse(const Tensor& a, double diagonal) {
  const std::int64_t n = check_square("linalg::cholesky_inverse", a);
  const Tensor inverse = a.clone();
  const Status status =
      dispatch_float("linalg::cholesky_inverse", a.dtype(), [&](auto tag) {
        using T = decltype(tag);
        return detail::invert_spd<T>(inverse.mutable_data<T>(), n,
                                     static_cast<T>(diagonal));
      });
  if (status != Status::Ok) return status;
  return inverse;
}

Result<Tensor> solve(const Tensor& a, const Tensor& b) {
  const std::int64_t n = check_square("linalg::solve", a);
  check_same_dtype("linalg::solve", a, b);
  if (b.rank() < 1 || b.rank() > 2 || b.size(0) != n) {
    throw ShapeError("[linalg::solve] expected b of shape (" +
                     std::to_string(n) + ") or (" + std::to_string(n) +
                     ",m), got " + b.shape().str());
  }
  const std::int64_t m = b.rank() == 2 ? b.size(1) : 1;
  const Tensor x = Tensor::empty_like(b);
  if (b.numel() == 0) return x;
  return dispatch_float(
      "linalg::solve", a.dtype(), [&](auto tag) -> Result<Tensor> {
        using T = decltype(tag);
        if (!finite<T>(a) || !finite<T>(b)) return Status::NotFinite;
        const auto count = static_cast<std::size_t>(n);
        std::vector<T> lu(count * count);
        std::vector<T> rhs(count * static_cast<std::size_t>(m));
        std::vector<int> pivots(count);
        transpose_into(a.data<T>(), n, n, lu.data());
        transpose_into(b.data<T>(), n, m, rhs.data());
        const int size = detail::blas_int(n);
        if (cxxlapack::gesv(size, detail::blas_int(m), lu.data(), size,
                            pivots.data(), rhs.data(), size) != 0) {
          return Status::Singular;
        }
        transpose_into(rhs.data(), m, n, x.mutable_data<T>());
        if (!finite<T>(x)) return Status::Singular;
        return x;
      });
}

Result<Eigh> eigh(const Tensor& a) {
  const std::int64_t n = check_square("linalg::eigh", a);
  const TensorOptions options{a.dtype(), Layout::RowMajor};
  const Eigh result{Tensor::empty({n}, options),
                    Tensor::empty({n, n}, options)};
  if (n == 0) return result;
  return dispatch_float(
      "linalg::eigh", a.dtype(), [&](auto tag) -> Result<Eigh> {
        using T = decltype(tag);
        if (!finite<T>(a)) return Status::NotFinite;
        std::vector<T> rows(a.data<T>(), a.data<T>() + a.numel());
        T* values = result.values.mutable_data<T>();
        const int size = detail::blas_int(n);
        T work_size = 0;
        int index_size = 0;
        cxxlapack::syevd('V', 'U', size, rows.data(), size, values, &work_size,
                         -1, &index_size, -1);
        std::vector<T> work(static_cast<std::size_t>(work_size));
        std::vector<int> index(static_cast<std::size_t>(index_size));
        const int info = cxxlapack::syevd(
            'V', 'U', size, rows.data(), size, values, work.data(),
            static_cast<int>(work.size()), index.data(), index_size);
        if (info != 0) return Status::NotConverged;
        // LAPACK's columns are our rows.
        transpose_into(rows.data(), n, n, result.vectors.mutable_data<T>());
        return result;
      });
}

Result<Svd> svd(const Tensor& a) {
  check_matrix("linalg::svd", "a", a);
  const std::int64_t m = a.size(0);
  const std::int64_t n = a.size(1);
  const std::int64_t k = std::min(m, n);
  const TensorOptions options{a.dtype(), Layout::RowMajor};
  const Svd result{Tensor::empty({m, k}, options), Tensor::empty({k}, options),
                   Tensor::empty({k, n}, options)};
  if (k == 0) return result;
  return dispatch_float("linalg::svd", a.dtype(), [&](auto tag) -> Result<Svd> {
    using T = decltype(tag);
    if (!finite<T>(a)) return Status::NotFinite;
    // To LAPACK our a is its transpose (n,m) = (vt)^T diag(s) u^T, and
    // its column-major factors are our row-major ones.
    std::vector<T> copy(a.data<T>(), a.data<T>() + a.numel());
    std::vector<int> index(8 * static_cast<std::size_t>(k));
    const int rows = detail::blas_int(n);
    const int columns = detail::blas_int(m);
    const int rank = detail::blas_int(k);
    T* s = result.s.mutable_data<T>();
    T* vt = result.vt.mutable_data<T>();
    T* u = result.u.mutable_data<T>();
    T work_size = 0;
    cxxlapack::gesdd('S', rows, columns, copy.data(), rows, s, vt, rows, u,
                     rank, &work_size, -1, index.data());
    std::vector<T> work(static_cast<std::size_t>(work_size));
    const int info = cxxlapack::gesdd(
        'S', rows, columns, copy.data(), rows, s, vt, rows, u, rank,
        work.data(), static_cast<int>(work.size()), index.data());
    if (info != 0) return Status::NotConverged;
    return result;
  });
}

}  // namespace mjolnir::linalg
