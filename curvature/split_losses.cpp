#include <mjolnir/curvature/split_losses.h>

#include <algorithm>
#include <cmath>
#include <string>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/linalg.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/core/random.h>
#include <mjolnir/curvature/block_inverse.h>

#include "core/detail/check.h"

namespace mjolnir {
namespace {

/** Rows and columns [begin, begin + size). */
Tensor diagonal_block(const Tensor& m, const FactorBlock& b) {
  return slice(slice(m, 0, b.begin, b.begin + b.size), 1, b.begin,
               b.begin + b.size);
}

constexpr std::int64_t largest_direct = 192;
constexpr std::int64_t krylov = 32;  ///< Vectors until a restart.
constexpr int most_restarts = 30;
constexpr double residual_tolerance = 1e-5;

double checked(double eigenvalue) {
  if (std::isfinite(eigenvalue)) return eigenvalue;
  throw NumericalError("[split_losses] the factor is not finite");
}

double norm(const Tensor& x) { return std::sqrt(sum(x * x).item()); }

double last_of(const Tensor& values) {
  return slice(values, 0, values.size(0) - 1, values.size(0)).item();
}

/** By Lanczos' method, restarted from what it found. */
double largest_by_lanczos(const Tensor& m) {
  const std::int64_t n = m.size(0);
  Generator rng(0);
  Tensor v = normal({1, n}, 0, 1, rng, m.options());
  const Tensor basis = Tensor::empty({krylov, n}, m.options());
  double largest = 0.0;
  for (int restart = 0; restart < most_restarts; ++restart) {
    const Tensor projected = Tensor::zeros({krylov, krylov}, {DType::F64});
    double* const t = projected.mutable_data<double>();
    std::int64_t count = 0;
    double length = norm(v), rest = 0.0;
    while (count < krylov) {
      slice(basis, 0, count, count + 1).copy_from(v * (1 / length));
      const Tensor known = slice(basis, 0, 0, count + 1);  // (count + 1, n)
      v = linalg::matmul(slice(basis, 0, count, count + 1), m);
      t[count * krylov + count] =
          checked(sum(v * slice(basis, 0, count, count + 1)).item());
      for (int twice = 0; twice < 2; ++twice)  // once leaves rounding behind
        v = v - linalg::matmul(linalg::matmul(v, known, false, true), known);
      rest = length = norm(v);
      ++count;
      if (rest <= residual_tolerance * t[0] || count == krylov) break;
      t[count * krylov + count - 1] = rest;  // eigh reads the lower triangle
    }
    const linalg::Eigh ritz =
        *linalg::eigh(diagonal_block(projected, {0, count, 0}));
    largest = last_of(ritz.values);
    const Tensor vector = slice(ritz.vectors, 1, count - 1, count);
    if (rest * std::abs(last_of(vector)) <= residual_tolerance * largest) break;
    v = linalg::matmul(vector.to(m.dtype()), slice(basis, 0, 0, count), true,
                       false);
  }
  return largest;
}

double largest_eigenvalue(const Tensor& m) {
  return m.size(0) <= largest_direct ? last_of(linalg::eigh(m)->values)
                                     : largest_by_lanczos(m);
}

}  // namespace

std::vector<double> split_losses(const Tensor& factor,
                                 const std::vector<std::int64_t>& sizes) {
  check_floating("split_losses", factor);
  check_rank("split_losses", "the factor", factor, 2);
  const std::int64_t n = factor.size(0);
  check_shape("split_losses", "the factor", factor, {n, n});
  const NoGrad no_grad;
  const double whole = n == 0 ? 0.0 : largest_eigenvalue(factor);
  std::vector<double> losses;
  for (const std::int64_t size : sizes) {
    if (size < 1)
      throw ValueError("[split_losses] expected sizes from 1 on, got " +
                       std::to_string(size));
    double largest = whole;
    if (size < n && whole > 0.0) {
      // lmax(A'), A' PSD and cut into blocks, is that of one of them, and
      // sqrt(lmax(A A^T)) is lmax(A).
      largest = 0.0;
      for (const FactorBlock& block : cut_blocks(n, size)) {
        largest = std::max(largest,
                           largest_eigenvalue(diagonal_block(factor, block)));
      }
    }
    losses.push_back(whole > 0.0 ? std::max(0.0, 1.0 - largest / whole) : 0.0);
  }
  return losses;
}

}  // namespace mjolnir
