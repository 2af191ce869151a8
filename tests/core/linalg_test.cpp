#include <mjolnir/core/linalg.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/random.h>

#include "core/detail/lapack.h"
#include "core/detail/lapack_fault.h"

namespace mjolnir::linalg {
namespace {

using ::testing::HasSubstr;

TensorOptions of(DType dtype) {
  TensorOptions options;
  options.dtype = dtype;
  return options;
}

std::vector<double> values(const Tensor& x) {
  return x.to(DType::F64).to_vector<double>();
}

/** a (m,k) b (k,n) by the definition, in f64. */
std::vector<double> product(const std::vector<double>& a,
                            const std::vector<double>& b, std::int64_t m,
                            std::int64_t k, std::int64_t n) {
  std::vector<double> c(static_cast<std::size_t>(m * n), 0.0);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t l = 0; l < k; ++l) {
      for (std::int64_t j = 0; j < n; ++j) {
        c[static_cast<std::size_t>(i * n + j)] +=
            a[static_cast<std::size_t>(i * k + l)] *
            b[static_cast<std::size_t>(l * n + j)];
      }
    }
  }
  return c;
}

std::vector<double> transposed(const std::vector<double>& a, std::int64_t m,
                               std::int64_t n) {
  std::vector<double> t(a.size());
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      t[static_cast<std::size_t>(j * m + i)] =
          a[static_cast<std::size_t>(i * n + j)];
    }
  }
  return t;
}

void expect_near(const std::vector<double>& x, const std::vector<double>& y,
                 double tolerance, const char* what) {
  ASSERT_EQ(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_NEAR(x[i], y[i], tolerance) << what << " at " << i;
  }
}

/** Frobenius norm of m - I. */
double distance_from_identity(const std::vector<double>& m, std::int64_t n) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      const double e =
          m[static_cast<std::size_t>(i * n + j)] - (i == j ? 1.0 : 0.0);
      sum += e * e;
    }
  }
  return std::sqrt(sum);
}

class Linalg : public ::testing::TestWithParam<DType> {
 protected:
  Tensor random(const Shape& shape) {
    return normal(shape, 0.0, 1.0, rng_, of(GetParam()));
  }
  /** Rounding of one operation. */
  double eps() const { return GetParam() == DType::F32 ? 1.2e-7 : 2.3e-16; }

  Generator rng_{7};
};

TEST_P(Linalg, MatmulMatchesTheDefinitionWithEveryTransposition) {
  const std::int64_t m = 5, k = 7, n = 3;
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      const Tensor a = random(ta ? Shape{k, m} : Shape{m, k});
      const Tensor b = random(tb ? Shape{n, k} : Shape{k, n});
      const auto x = ta ? transposed(values(a), k, m) : values(a);
      const auto y = tb ? transposed(values(b), n, k) : values(b);
      const Tensor c = matmul(a, b, ta, tb);
      EXPECT_EQ(c.shape(), (Shape{m, n}));
      // |terms| < 16, K = 7 of them
      expect_near(values(c), product(x, y, m, k, n), 8 * 7 * 16 * eps(), "c");
    }
  }
}

TEST_P(Linalg, SyrkMatchesTheDefinitionAndIsExactlySymmetric) {
  const std::int64_t m = 67, k = 41;  // more than two mirror tiles
  const Tensor a = random({m, k});
  const auto x = values(a);
  const auto xt = transposed(x, m, k);
  const auto wide = values(syrk(a));
  expect_near(wide, product(x, xt, m, k, m), 8 * 41 * 16 * eps(), "a a^T");
  expect_near(values(syrk(a, true)), product(xt, x, k, m, k),
              8 * 67 * 16 * eps(), "a^T a");
  EXPECT_EQ(wide, transposed(wide, m, m));
}

// Fault 43: the quality of the inverse on 50 random SPD matrices.
TEST_P(Linalg, CholeskyInverseTimesTheMatrixIsTheIdentity) {
  const double bound = GetParam() == DType::F32 ? 1e-3 : 1e-8;
  for (int trial = 0; trial < 50; ++trial) {
    const std::int64_t n = 1 + trial;
    const Tensor a = syrk(random({n, n + 2}));
    const double diagonal = 0.5;
    const auto inverse = cholesky_inverse(a, diagonal);
    ASSERT_TRUE(inverse) << name_of(inverse.status());
    auto damped = values(a);
    for (std::int64_t i = 0; i < n; ++i) {
      damped[static_cast<std::size_t>(i * n + i)] += diagonal;
    }
    const auto x = values(*inverse);
    EXPECT_LE(distance_from_identity(product(damped, x, n, n, n), n), bound);
    EXPECT_EQ(x, transposed(x, n, n));
  }
}

TEST_P(Linalg, CholeskyInverseReadsTheLowerTriangleAndKeepsItsInput) {
  const Tensor a = Tensor::from<double>({4, 99, 1, 3}, {2, 2}).to(GetParam());
  const auto before = values(a);
  const auto inverse = values(*cholesky_inverse(a));
  expect_near(inverse, {3.0 / 11, -1.0 / 11, -1.0 / 11, 4.0 / 11}, 8 * eps(),
              "inverse");
  EXPECT_EQ(values(a), before);
}

// Fault 40: matrices that are not positive definite in working precision.
TEST_P(Linalg, CholeskyInverseSaysWhyItFailed) {
  const DType dtype = GetParam();
  const Tensor rank_one = Tensor::from<double>({1, 2, 2, 4}, {2, 2}).to(dtype);
  EXPECT_EQ(cholesky_inverse(rank_one).status(), Status::NotPositiveDefinite);
  EXPECT_EQ(cholesky_inverse(Tensor::zeros({3, 3}, of(dtype))).status(),
            Status::NotPositiveDefinite);
  const Tensor indefinite =
      Tensor::from<double>({1, 0, 0, -1}, {2, 2}).to(dtype);
  EXPECT_EQ(cholesky_inverse(indefinite).status(), Status::NotPositiveDefinite);
  // Positive definite, but the inverse overflows.
  const double tiny = dtype == DType::F32 ? 1e-40 : 1e-310;
  EXPECT_EQ(cholesky_inverse(Tensor::full({1, 1}, tiny, of(dtype))).status(),
            Status::Singular);
  // Condition 1e12: fine in f64, and in f32 once it is damped.
  const Tensor stretched = Tensor::from<double>({1, 0, 0, 1e-12}, {2, 2});
  EXPECT_TRUE(cholesky_inverse(stretched.to(dtype), 1e-6));
  // A scale of 1e-30 is no reason to fail.
  const Tensor small =
      Tensor::from<double>({2e-30, 1e-30, 1e-30, 2e-30}, {2, 2});
  EXPECT_TRUE(cholesky_inverse(small.to(dtype)));
}

// Trap 13: LAPACK would return numbers, or end the process.
TEST_P(Linalg, NonFiniteInputNeverReachesLapack) {
  const std::vector<double> poisons = {
      std::nan(""), std::numeric_limits<double>::infinity(),
      -std::numeric_limits<double>::infinity()};
  for (const double poison : poisons) {
    for (const int place : {0, 3, 8}) {  // diagonal and lower triangle
      std::vector<double> numbers = {3, 0, 0, 1, 3, 0, 1, 1, 3};
      numbers[static_cast<std::size_t>(place)] = poison;
      const Tensor a = Tensor::from<double>(numbers, {3, 3}).to(GetParam());
      const Tensor good = Tensor::ones({3}, of(GetParam()));
      EXPECT_EQ(cholesky_inverse(a).status(), Status::NotFinite);
      EXPECT_EQ(solve(a, good).status(), Status::NotFinite);
      EXPECT_EQ(eigh(a).status(), Status::NotFinite);
      EXPECT_EQ(svd(a).status(), Status::NotFinite);
    }
  }
  const Tensor identity =
      Tensor::from<double>({1, 0, 0, 1}, {2, 2}).to(GetParam());
  EXPECT_EQ(cholesky_inverse(identity, std::nan("")).status(),
            Status::NotFinite);
  EXPECT_EQ(
      solve(identity, Tensor::full({2}, std::nan(""), of(GetParam()))).status(),
      Status::NotFinite);
}

/** One of LAPACK's faults, and what its callers are told. */
struct Lie {
  detail::LapackFault fault;
  Status of_cholesky, of_eigh;
};

TEST_P(Linalg, WhatLapackGetsWrongIsNotTaken) {
  using detail::LapackFault;
  const Lie lies[] = {
      {LapackFault::Refuses, Status::NotPositiveDefinite, Status::NotConverged},
      {LapackFault::Zeros, Status::WronglyFactored, Status::WronglyFactored},
      {LapackFault::Wrong, Status::WronglyFactored, Status::WronglyFactored},
      {LapackFault::NotFinite, Status::Singular, Status::WronglyFactored}};
  for (const std::int64_t n : {1, 2, 37}) {
    const Tensor a = syrk(random({n, n + 4}));
    for (const Lie& lie : lies) {
      const detail::ScopedLapackFault fault(lie.fault);
      EXPECT_EQ(cholesky_inverse(a, 0.5).status(), lie.of_cholesky) << n;
      EXPECT_EQ(eigh(a).status(), lie.of_eigh) << n;
    }
    EXPECT_TRUE(cholesky_inverse(a, 0.5)) << n;
    EXPECT_TRUE(eigh(a)) << n;
  }
  const Tensor a = random({5, 5});
  const detail::ScopedLapackFault fault(LapackFault::Wrong);
  EXPECT_THAT(name_of(eigh(syrk(a)).status()), HasSubstr("wrongly factored"));
}

// What is hard to invert is not wrong: rank 1 to full, condition up to 1 / (32
// eps), which is where damping's floor begins, scales of 1e-12 and 1e12.
TEST_P(Linalg, WhatLapackGetsRightIsTaken) {
  const double floor = 32.0 * eps();
  for (int trial = 0; trial < 60; ++trial) {
    const std::int64_t n = 1 + 3 * trial, rank = 1 + trial * trial % (2 * n);
    const Tensor rows = random({n, rank});
    const double scales[] = {1.0, 1e-6, 1e6};
    const Tensor a = syrk(rows * scales[trial % 3]);
    double largest = 0.0;
    const auto numbers = values(a);
    for (std::int64_t i = 0; i < n; ++i) {
      largest = std::max(largest, numbers[static_cast<std::size_t>(i * n + i)]);
    }
    for (const double share : {floor, 1e-3, 1.0}) {
      const auto inverse = cholesky_inverse(a, share * largest);
      if (share > floor) {
        EXPECT_TRUE(inverse) << n << " " << name_of(inverse.status());
      }
      // At the floor rounding alone may make it indefinite.
      EXPECT_NE(inverse.status(), Status::WronglyFactored) << n;
    }
    const auto basis = eigh(a);
    EXPECT_TRUE(basis) << n << " " << name_of(basis.status());
  }
}

TEST_P(Linalg, SolveUndoesTheProduct) {
  const std::int64_t n = 9, m = 4;
  const Tensor a = random({n, n});
  const Tensor b = random({n, m});
  const auto x = solve(a, b);
  ASSERT_TRUE(x);
  EXPECT_EQ(x->shape(), b.shape());
  expect_near(product(values(a), values(*x), n, n, m), values(b), 2e4 * eps(),
              "a x");
  const Tensor vector = random({n});
  const auto y = solve(a, vector);
  ASSERT_TRUE(y);
  EXPECT_EQ(y->shape(), vector.shape());
  expect_near(product(values(a), values(*y), n, n, 1), values(vector),
              2e4 * eps(), "a y");
  EXPECT_EQ(solve(Tensor::zeros({2, 2}, of(GetParam())),
                  Tensor::ones({2}, of(GetParam())))
                .status(),
            Status::Singular);
}

TEST_P(Linalg, EighRebuildsTheMatrixInAscendingOrder) {
  const std::int64_t n = 11;
  const Tensor square = random({n, n});
  const auto numbers = values(square);
  auto sum = transposed(numbers, n, n);
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += numbers[i];
  const Tensor a = Tensor::from<double>(sum, {n, n}).to(GetParam());
  const auto result = eigh(a);
  ASSERT_TRUE(result);
  const auto w = values(result->values);
  const auto v = values(result->vectors);
  EXPECT_TRUE(std::is_sorted(w.begin(), w.end()));
  auto scaled = v;
  for (std::size_t i = 0; i < scaled.size(); ++i) {
    scaled[i] *= w[i % static_cast<std::size_t>(n)];
  }
  const auto vt = transposed(v, n, n);
  expect_near(product(scaled, vt, n, n, n), values(a), 1000 * eps(),
              "v diag(w) v^T");
  EXPECT_LE(distance_from_identity(product(vt, v, n, n, n), n), 1000 * eps());
}

TEST_P(Linalg, SvdRebuildsTallAndWideMatrices) {
  for (const auto& [m, n] :
       {std::pair<std::int64_t, std::int64_t>{7, 4}, {3, 8}, {5, 5}, {1, 6}}) {
    const std::int64_t k = std::min(m, n);
    const Tensor a = random({m, n});
    const auto result = svd(a);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->u.shape(), (Shape{m, k}));
    EXPECT_EQ(result->vt.shape(), (Shape{k, n}));
    const auto s = values(result->s);
    EXPECT_TRUE(std::is_sorted(s.rbegin(), s.rend()));
    auto us = values(result->u);
    for (std::size_t i = 0; i < us.size(); ++i) {
      us[i] *= s[i % static_cast<std::size_t>(k)];
    }
    expect_near(product(us, values(result->vt), m, k, n), values(a),
                1000 * eps(), "u s vt");
    const auto u = values(result->u);
    EXPECT_LE(
        distance_from_identity(product(transposed(u, m, k), u, k, m, k), k),
        1000 * eps());
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Linalg,
                         ::testing::Values(DType::F32, DType::F64),
                         [](const auto& info) {
                           return std::string(mjolnir::name_of(info.param));
                         });

TEST(LinalgErrors, WrongShapesAndTypesAreNamed) {
  const Tensor wide = Tensor::ones({2, 3});
  EXPECT_THROW(cholesky_inverse(wide), ShapeError);
  EXPECT_THROW(eigh(wide), ShapeError);
  EXPECT_THROW(solve(wide, Tensor::ones({2})), ShapeError);
  EXPECT_THROW(solve(Tensor::ones({2, 2}), Tensor::ones({3})), ShapeError);
  EXPECT_THROW(svd(Tensor::ones({2})), ShapeError);
  EXPECT_THROW(matmul(wide, wide), ShapeError);
  EXPECT_THROW(syrk(Tensor::ones({2, 2, 2})), ShapeError);
  EXPECT_THROW(eigh(Tensor::ones({2, 2}, of(DType::I64))), ValueError);
  EXPECT_THROW(matmul(wide, Tensor::ones({3, 2}, of(DType::F64))), ValueError);
  EXPECT_THROW(cholesky_inverse(Tensor()), ValueError);
}

TEST(LinalgErrors, AFailedResultThrowsWhenItIsUsed) {
  const auto failed = cholesky_inverse(Tensor::zeros({2, 2}));
  EXPECT_FALSE(failed);
  try {
    failed.value();
    FAIL() << "no exception";
  } catch (const NumericalError& error) {
    EXPECT_EQ(std::string(error.what()),
              "[linalg::cholesky_inverse] no result: the matrix is not "
              "positive definite; ask status() before the value");
  }
  EXPECT_THAT(
      [] {
        solve(Tensor::zeros({1, 1}), Tensor::ones({1})).value();
      },
      ::testing::ThrowsMessage<NumericalError>(
          ::testing::StartsWith("[linalg::solve] no result: the matrix is")));
}

TEST(LinalgErrors, AResultIsAValueOrAFailure) {
  EXPECT_THROW(Result<Tensor>(Status::Ok), ValueError);
  EXPECT_EQ(Result<Tensor>(Status::Singular).status(), Status::Singular);
  EXPECT_THROW(*Result<Tensor>(Status::Singular), NumericalError);
}

TEST(LinalgErrors, LengthsBeyondTheBlasAreRefused) {
  const float a = 1;
  float c = 0;
  EXPECT_THAT(
      [&] {
        detail::blas_syrk_lower(false, 1, std::int64_t{1} << 31, 1.0f, &a, 1,
                                0.0f, &c, 1);
      },
      ::testing::ThrowsMessage<ShapeError>(::testing::HasSubstr(
          "[linalg::syrk] expected lengths below 2^31, got 2147483648, which "
          "BLAS cannot index")));
  EXPECT_EQ(c, 0);
}

TEST(LinalgErrors, EmptyMatricesAreFine) {
  EXPECT_EQ(cholesky_inverse(Tensor::zeros({0, 0}))->numel(), 0);
  EXPECT_EQ(eigh(Tensor::zeros({0, 0}))->values.numel(), 0);
  EXPECT_EQ(
      matmul(Tensor::zeros({2, 0}), Tensor::zeros({0, 3})).to_vector<float>(),
      std::vector<float>(6, 0.0F));
}

}  // namespace
}  // namespace mjolnir::linalg
