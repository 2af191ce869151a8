#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

/**
 * Whether LAPACK's result is what it says, in O(n^2): a factorisation has to
 * give back what the matrix makes of a vector of ones. Second-order methods
 * invert for days; one wrong inverse taken for a good one ends a run. Sums are
 * in double.
 */
namespace mjolnir::detail {

/** Room for rounding: ten times the worst of random matrices of 1 to 600 rows,
 * of any rank and scale, damped by 32 eps and more. */
constexpr double lapack_slack = 16.0;

/** A 1 and the norm of a symmetric A. */
struct RowSums {
  std::vector<double> sums;  ///< (n)
  double largest = 0.0;      ///< The largest sum of |A_ij| over a row.
};

/** Of the lower triangle of a (n,n). */
template <class T>
inline RowSums row_sums(std::int64_t n, const T* a) {
  const auto count = static_cast<std::size_t>(n);
  RowSums rows{std::vector<double>(count, 0.0), 0.0};
  std::vector<double> sizes(count, 0.0);
  double* sums = rows.sums.data();
  double* size = sizes.data();
  for (std::int64_t i = 0; i < n; ++i) {
    const T* row = a + i * n;
    double sum = row[i], absolute = std::abs(sum);
#pragma omp simd reduction(+ : sum, absolute)
    for (std::int64_t j = 0; j < i; ++j) {
      const double x = row[j];
      sum += x;
      absolute += std::abs(x);
      sums[j] += x;
      size[j] += std::abs(x);
    }
    sums[i] += sum;
    size[i] += absolute;
  }
  if (n > 0) rows.largest = *std::max_element(sizes.begin(), sizes.end());
  return rows;
}

/** False unless x (n,n), symmetric, is the inverse of the matrix of those
 * sums: x (A 1) = 1 up to sqrt(n) eps |x| |A| (Higham, "Accuracy and stability
 * of numerical algorithms", section 14.3, has a power of n that rounding does
 * not reach). */
template <class T>
inline bool is_inverse(std::int64_t n, const T* x, const RowSums& of_a) {
  double error = 0.0, largest = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    const T* row = x + i * n;
    const double* sums = of_a.sums.data();
    double product = -1.0, absolute = 0.0;
#pragma omp simd reduction(+ : product, absolute)
    for (std::int64_t j = 0; j < n; ++j) {
      const double value = row[j];
      product += value * sums[j];
      absolute += std::abs(value);
    }
    error = std::max(error, std::abs(product));
    largest = std::max(largest, absolute);
  }
  const double unit = lapack_slack * std::sqrt(static_cast<double>(n)) *
                      double{std::numeric_limits<T>::epsilon()};
  return error <= unit * (largest * of_a.largest);
}

/** False unless values (n) and the rows of vectors (n,n) are the
 * eigendecomposition of the matrix of those sums: V diag(w) V^T 1 = A 1 and
 * V V^T 1 = 1 up to n eps |A| and n eps. */
template <class T>
inline bool is_eigenbasis(std::int64_t n, const T* values, const T* vectors,
                          const RowSums& of_a) {
  const auto count = static_cast<std::size_t>(n);
  std::vector<double> product(count, 0.0), ones(count, 0.0);
  for (std::int64_t k = 0; k < n; ++k) {
    const T* v = vectors + k * n;
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < n; ++i) sum += v[i];
    const double scaled = sum * values[k];
    double* to = product.data();
    double* one = ones.data();
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
      to[i] += scaled * v[i];
      one[i] += sum * v[i];
    }
  }
  const double unit = lapack_slack * static_cast<double>(n) *
                      double{std::numeric_limits<T>::epsilon()};
  for (std::size_t i = 0; i < count; ++i) {
    const bool good =
        std::abs(product[i] - of_a.sums[i]) <= unit * of_a.largest &&
        std::abs(ones[i] - 1.0) <= unit;
    if (!good) return false;
  }
  return true;
}

}  // namespace mjolnir::detail
