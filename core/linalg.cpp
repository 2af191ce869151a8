#include <mjolnir/core/linalg.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <mjolnir/core/backend.h>
#include <xtensor-blas/xblas.hpp>
#include <xtensor-blas/xlapack.hpp>

#include "core/detail/blas.h"
#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/detail/finite.h"
#include "core/detail/lapack.h"
#include "core/detail/lapack_check.h"
#include "core/detail/lapack_fault.h"
#include "core/kernels/gemm.h"
#include "core/kernels/mirror.h"

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

/** Numbers of working memory for LAPACK: at least what its documentation asks
 * for, and what it asked for itself, which comes as a T and in f32 may have
 * been rounded down. */
template <class T>
int workspace(const char* op, std::int64_t least, T query) {
  const T above = std::nextafter(query, std::numeric_limits<T>::infinity());
  return detail::blas_int(
      op, std::max(least, static_cast<std::int64_t>(std::ceil(above))));
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
      return "not converged";
    case Status::WronglyFactored:
      break;
  }
  return "wrongly factored by LAPACK";
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
    const auto gemm = backend() == Backend::Reference ? kernels::gemm_blas<T>
                                                      : kernels::gemm<T>;
    gemm(transpose_a, transpose_b, m, n, k, T{1}, a.data<T>(), a.size(1),
         b.data<T>(), b.size(1), T{0}, c.mutable_data<T>(), n);
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
    kernels::mirror(kernels::Triangle::Lower, n, out);
  });
  return c;
}

Result<Tensor> cholesky_inverse(const Tensor& a, double diagonal) {
  constexpr const char* op = "linalg::cholesky_inverse";
  const std::int64_t n = check_square(op, a);
  const Tensor inverse = a.clone();
  const Status status = dispatch_float(op, a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    return detail::invert_spd<T>(inverse.mutable_data<T>(), n,
                                 static_cast<T>(diagonal));
  });
  if (status != Status::Ok) return {status, op};
  return inverse;
}

Result<Tensor> solve(const Tensor& a, const Tensor& b) {
  constexpr const char* op = "linalg::solve";
  const std::int64_t n = check_square(op, a);
  check_same_dtype(op, a, b);
  if (b.rank() < 1 || b.rank() > 2 || b.size(0) != n) {
    throw ShapeError("[linalg::solve] expected b of shape (" +
                     std::to_string(n) + ") or (" + std::to_string(n) +
                     ",m), got " + b.shape().str());
  }
  const std::int64_t m = b.rank() == 2 ? b.size(1) : 1;
  const Tensor x = Tensor::empty_like(b);
  if (b.numel() == 0) return x;
  return dispatch_float(op, a.dtype(), [&](auto tag) -> Result<Tensor> {
    using T = decltype(tag);
    if (!finite<T>(a) || !finite<T>(b)) return {Status::NotFinite, op};
    const auto count = static_cast<std::size_t>(n);
    std::vector<T> lu(count * count);
    std::vector<T> rhs(count * static_cast<std::size_t>(m));
    std::vector<int> pivots(count);
    transpose_into(a.data<T>(), n, n, lu.data());
    transpose_into(b.data<T>(), n, m, rhs.data());
    const int size = detail::blas_int(op, n);
    if (cxxlapack::gesv(size, detail::blas_int(op, m), lu.data(), size,
                        pivots.data(), rhs.data(), size) != 0) {
      return {Status::Singular, op};
    }
    transpose_into(rhs.data(), m, n, x.mutable_data<T>());
    if (!finite<T>(x)) return {Status::Singular, op};
    return x;
  });
}

Result<Eigh> eigh(const Tensor& a) {
  constexpr const char* op = "linalg::eigh";
  const std::int64_t n = check_square(op, a);
  const TensorOptions options{a.dtype(), Layout::RowMajor};
  const std::int64_t least = 1 + 6 * n + 2 * n * n;
  detail::blas_int(op, least);  // before LAPACK counts it in an int
  const Eigh result{Tensor::empty({n}, options),
                    Tensor::empty({n, n}, options)};
  if (n == 0) return result;
  return dispatch_float(op, a.dtype(), [&](auto tag) -> Result<Eigh> {
    using T = decltype(tag);
    if (!finite<T>(a)) return {Status::NotFinite, op};
    std::vector<T> rows(a.data<T>(), a.data<T>() + a.numel());
    const detail::RowSums sums = detail::row_sums(n, rows.data());
    T* values = result.values.mutable_data<T>();
    const int size = detail::blas_int(op, n);
    T work_query = 0;
    int index_query = 0;
    cxxlapack::syevd('V', 'U', size, rows.data(), size, values, &work_query, -1,
                     &index_query, -1);
    const int work_size = workspace(op, least, work_query);
    const int index_size = std::max(3 + 5 * size, index_query);
    std::vector<T> work(static_cast<std::size_t>(work_size));
    std::vector<int> index(static_cast<std::size_t>(index_size));
    const int info =
        cxxlapack::syevd('V', 'U', size, rows.data(), size, values, work.data(),
                         work_size, index.data(), index_size);
    if (detail::with_fault(info, n * n, rows.data()) != 0) {
      return {Status::NotConverged, op};
    }
    if (!detail::is_eigenbasis(n, values, rows.data(), sums)) {
      return {Status::WronglyFactored, op};
    }
    // LAPACK's columns are our rows.
    transpose_into(rows.data(), n, n, result.vectors.mutable_data<T>());
    return result;
  });
}

Result<Svd> svd(const Tensor& a) {
  constexpr const char* op = "linalg::svd";
  check_matrix(op, "a", a);
  const std::int64_t m = a.size(0);
  const std::int64_t n = a.size(1);
  const std::int64_t k = std::min(m, n);
  const TensorOptions options{a.dtype(), Layout::RowMajor};
  const Svd result{Tensor::empty({m, k}, options), Tensor::empty({k}, options),
                   Tensor::empty({k, n}, options)};
  if (k == 0) return result;
  const std::int64_t least = k * (4 * k + 7) + std::max(m, n);
  detail::blas_int(op, least);  // before LAPACK counts it in an int
  return dispatch_float(op, a.dtype(), [&](auto tag) -> Result<Svd> {
    using T = decltype(tag);
    if (!finite<T>(a)) return {Status::NotFinite, op};
    // To LAPACK our a is its transpose (n,m) = (vt)^T diag(s) u^T, and
    // its column-major factors are our row-major ones.
    std::vector<T> copy(a.data<T>(), a.data<T>() + a.numel());
    std::vector<int> index(8 * static_cast<std::size_t>(k));
    const int rows = detail::blas_int(op, n);
    const int columns = detail::blas_int(op, m);
    const int rank = detail::blas_int(op, k);
    T* s = result.s.mutable_data<T>();
    T* vt = result.vt.mutable_data<T>();
    T* u = result.u.mutable_data<T>();
    T work_query = 0;
    cxxlapack::gesdd('S', rows, columns, copy.data(), rows, s, vt, rows, u,
                     rank, &work_query, -1, index.data());
    const int work_size = workspace(op, least, work_query);
    std::vector<T> work(static_cast<std::size_t>(work_size));
    const int info =
        cxxlapack::gesdd('S', rows, columns, copy.data(), rows, s, vt, rows, u,
                         rank, work.data(), work_size, index.data());
    if (info != 0) return {Status::NotConverged, op};
    return result;
  });
}

}  // namespace mjolnir::linalg
