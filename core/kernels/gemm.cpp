#include "core/kernels/gemm.h"

#include <algorithm>
#include <type_traits>

#include "core/detail/blas.h"
#include "core/kernels/onednn.h"

#include <xtensor-blas/xblas.hpp>

namespace mjolnir::kernels {
namespace {

// Terms that a library adds up at once in f32. Where op(A) is one row or op(B)
// one column they are added one after another in one float, which is wrong by
// 1e-8 of the sum for each term; elsewhere in blocks, but endlessly many. The
// parts keep this below the 8 eps sqrt(K) of a good sum.
constexpr std::int64_t most_thin_terms = 4096;
constexpr std::int64_t most_terms = 1 << 16;

// Calls product(first, count, beta) for the parts of a sum of k terms.
template <class T, class F>
void in_parts(std::int64_t k, std::int64_t most, T beta, F product) {
  const std::int64_t step = std::is_same_v<T, float> ? most : k;
  for (std::int64_t first = 0; first < k; first += step) {
    product(first, std::min(step, k - first), first == 0 ? beta : T(1));
  }
}

// sum of a_i b_i, whose neighbours lie that far apart
double dot(std::int64_t n, const float* a, std::int64_t step_a, const float* b,
           std::int64_t step_b) {
  constexpr std::int64_t lanes = 16;
  double sums[lanes] = {}, total = 0;
  std::int64_t i = 0;
  if (step_a == 1 && step_b == 1) {
    for (; i + lanes <= n; i += lanes) {
      for (std::int64_t l = 0; l < lanes; ++l) {
        sums[l] += double(a[i + l]) * double(b[i + l]);
      }
    }
  }
  for (; i < n; ++i) total += double(a[i * step_a]) * double(b[i * step_b]);
  for (const double sum : sums) total += sum;
  return total;
}

template <class T>
void scale(std::int64_t m, std::int64_t n, T beta, T* c, std::int64_t ldc) {
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      c[i * ldc + j] = beta == T(0) ? T(0) : beta * c[i * ldc + j];
    }
  }
}

template <class T>
void call_blas(bool transpose_a, bool transpose_b, std::int64_t m,
               std::int64_t n, std::int64_t k, T alpha, const T* a,
               std::int64_t lda, const T* b, std::int64_t ldb, T beta, T* c,
               std::int64_t ldc) {
  const auto length = [](std::int64_t value) {
    return detail::blas_int("gemm", value);
  };
  const auto transpose = [](bool yes) {
    return yes ? cxxblas::Trans : cxxblas::NoTrans;
  };
  cxxblas::gemm<int>(cxxblas::RowMajor, transpose(transpose_a),
                     transpose(transpose_b), length(m), length(n), length(k),
                     alpha, a, length(lda), b, length(ldb), beta, c,
                     length(ldc));
}

}  // namespace

template <class T>
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n,
          std::int64_t k, T alpha, const T* a, std::int64_t lda, const T* b,
          std::int64_t ldb, T beta, T* c, std::int64_t ldc) {
  if constexpr (std::is_same_v<T, double>) {
    return gemm_blas(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb,
                     beta, c, ldc);
  } else {
    if (m == 0 || n == 0) return;
    if (k == 0) return scale(m, n, beta, c, ldc);
    const std::int64_t step_a = transpose_a ? lda : 1;
    const std::int64_t step_b = transpose_b ? 1 : ldb;
    if (m == 1 && n == 1) {
      const double sum = double(alpha) * dot(k, a, step_a, b, step_b);
      *c = float(beta == 0 ? sum : sum + double(beta) * double(*c));
      return;
    }
    // oneDNN adds each term to C itself, so that parts would not help it here.
    if ((m == 1 || n == 1) && k > most_thin_terms) {
      return gemm_blas(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb,
                       beta, c, ldc);
    }
    in_parts(k, most_terms, beta,
             [&](std::int64_t first, std::int64_t count, T scaled) {
               const T* const part_a = a + first * step_a;
               const T* const part_b = b + first * step_b;
               if (!onednn::sgemm(transpose_a, transpose_b, m, n, count, alpha,
                                  part_a, lda, part_b, ldb, scaled, c, ldc)) {
                 call_blas(transpose_a, transpose_b, m, n, count, alpha, part_a,
                           lda, part_b, ldb, scaled, c, ldc);
               }
             });
  }
}

template <class T>
void gemm_blas(bool transpose_a, bool transpose_b, std::int64_t m,
               std::int64_t n, std::int64_t k, T alpha, const T* a,
               std::int64_t lda, const T* b, std::int64_t ldb, T beta, T* c,
               std::int64_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) return scale(m, n, beta, c, ldc);
  in_parts(k, most_thin_terms, beta,
           [&](std::int64_t first, std::int64_t count, T scaled) {
             call_blas(transpose_a, transpose_b, m, n, count, alpha,
                       a + first * (transpose_a ? lda : 1), lda,
                       b + first * (transpose_b ? 1 : ldb), ldb, scaled, c,
                       ldc);
           });
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

#define MJOLNIR_INSTANTIATE(T)                                                \
  template void gemm(bool, bool, std::int64_t, std::int64_t, std::int64_t, T, \
                     const T*, std::int64_t, const T*, std::int64_t, T, T*,   \
                     std::int64_t);                                           \
  template void gemm_blas(bool, bool, std::int64_t, std::int64_t,             \
                          std::int64_t, T, const T*, std::int64_t, const T*,  \
                          std::int64_t, T, T*, std::int64_t);                 \
  template void gemm_reference(bool, bool, std::int64_t, std::int64_t,        \
                               std::int64_t, T, const T*, std::int64_t,       \
                               const T*, std::int64_t, T, T*, std::int64_t);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels
