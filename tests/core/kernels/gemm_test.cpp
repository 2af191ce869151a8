#include "core/kernels/gemm.h"

#include <mjolnir/core/error.h>

#include "tests/core/kernels/kernel_test.h"

namespace mjolnir::kernels {
namespace {

using testing::expect_close;
using testing::Expected;
using testing::random_values;

struct Product {
  bool transpose_a, transpose_b;
  std::int64_t m, n, k;
  double alpha, beta;
};

// Every flag with lengths that differ, thin ones, one large enough for threads.
const Product products[] = {
    {false, false, 3, 5, 7, 1, 0},      {true, false, 3, 5, 7, 0.5, 0},
    {false, true, 3, 5, 7, 1, 1},       {true, true, 3, 5, 7, -2, 0.25},
    {false, false, 1, 9, 4, 1, 0},      {false, true, 6, 1, 4, 1, 2},
    {true, false, 2, 3, 1, 1, 0},       {false, true, 301, 16, 144, 1, 0},
    {true, false, 16, 144, 3001, 1, 1}, {true, true, 130, 140, 150, 1, 0},
    {false, true, 3, 2, 9001, 2, 0.5},  {true, false, 2, 3, 9001, 1, 0},
    {false, true, 1, 1, 9001, 2, 0.5},  {true, false, 1, 1, 9001, 1, 0},
    {false, true, 1, 1, 3, -1, 0},
};

// Rows are stored wider than they are: the gap must be neither read nor
// written.
constexpr std::int64_t gap = 3;

template <class T, class Gemm>
void check(const Product& p, Gemm multiply) {
  const std::int64_t lda = (p.transpose_a ? p.m : p.k) + gap;
  const std::int64_t ldb = (p.transpose_b ? p.k : p.n) + gap;
  const std::int64_t ldc = p.n + gap;
  const auto a = random_values<T>((p.transpose_a ? p.k : p.m) * lda, 1);
  const auto b = random_values<T>((p.transpose_b ? p.n : p.k) * ldb, 2);
  auto c = random_values<T>(p.m * ldc, 3);
  Expected expected(p.m * ldc);
  for (std::int64_t i = 0; i < p.m; ++i) {
    for (std::int64_t j = 0; j < ldc; ++j) {
      const std::int64_t at = i * ldc + j;
      expected.add(at, j < p.n ? p.beta * double(c[at]) : double(c[at]));
      for (std::int64_t l = 0; j < p.n && l < p.k; ++l) {
        expected.add(
            at, p.alpha * double(a[p.transpose_a ? l * lda + i : i * lda + l]) *
                    double(b[p.transpose_b ? j * ldb + l : l * ldb + j]));
      }
    }
  }
  if (p.beta == 0) {  // what C held does not count, not even NaN
    for (std::int64_t i = 0; i < p.m; ++i) {
      std::fill_n(c.data() + i * ldc, p.n, std::numeric_limits<T>::quiet_NaN());
    }
  }
  multiply(p.transpose_a, p.transpose_b, p.m, p.n, p.k, T(p.alpha), a.data(),
           lda, b.data(), ldb, T(p.beta), c.data(), ldc);
  expect_close(c, expected);
}

TEST(Gemm, MatchesTheDefinition) {
  for (const Product& p : products) {
    SCOPED_TRACE(::testing::Message() << p.m << " " << p.n << " " << p.k);
    check<float>(p, gemm<float>);
    check<double>(p, gemm<double>);
    check<float>(p, gemm_blas<float>);
    check<float>(p, gemm_reference<float>);
    check<double>(p, gemm_reference<double>);
  }
}

// The longest sums, of thin products, whose terms have one sign: no rounding
// cancels another.
TEST(Gemm, KeepsLongSums) {
  const std::int64_t k = 1000000;
  for (const auto& [m, n] :
       {std::pair<std::int64_t, std::int64_t>{1, 1}, {1, 3}, {2, 1}, {2, 3}}) {
    const std::vector<float> a(m * k, 0.1f), b(n * k, 1.0f);
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        SCOPED_TRACE(::testing::Message()
                     << m << " " << n << " " << ta << " " << tb);
        std::vector<float> c(m * n, 2.0f), blas = c;
        Expected expected(m * n);
        expected.sum.assign(expected.sum.size(), 2 + double(k) * double(0.1f));
        expected.magnitude = expected.sum;
        expected.terms.assign(expected.sum.size(), double(k));
        gemm<float>(ta, tb, m, n, k, 1, a.data(), ta ? m : k, b.data(),
                    tb ? k : n, 1, c.data(), n);
        expect_close(c, expected);
        gemm_blas<float>(ta, tb, m, n, k, 1, a.data(), ta ? m : k, b.data(),
                         tb ? k : n, 1, blas.data(), n);
        expect_close(blas, expected);
      }
    }
  }
}

TEST(Gemm, WithoutTermsScalesC) {
  std::vector<float> c{1, 2, 3, 4};
  gemm<float>(false, false, 2, 2, 0, 1, nullptr, 1, nullptr, 2, 3, c.data(), 2);
  EXPECT_EQ(c, (std::vector<float>{3, 6, 9, 12}));
  gemm<float>(false, false, 2, 2, 0, 1, nullptr, 1, nullptr, 2, 0, c.data(), 2);
  EXPECT_EQ(c, (std::vector<float>{0, 0, 0, 0}));
}

TEST(Gemm, PropagatesNotANumber) {
  std::vector<float> a{1, std::numeric_limits<float>::quiet_NaN()}, b{0, 0};
  float c = 0;
  gemm<float>(false, false, 1, 1, 2, 1, a.data(), 2, b.data(), 1, 0, &c, 1);
  EXPECT_TRUE(std::isnan(c));
}

TEST(Gemm, RefusesLengthsBeyondTheBlas) {
  const double a = 1, b = 1;
  double c = 0;
  EXPECT_THROW(gemm<double>(false, false, 1, 1, std::int64_t{1} << 31, 1, &a,
                            std::int64_t{1} << 31, &b, 1, 0, &c, 1),
               ShapeError);
}

}  // namespace
}  // namespace mjolnir::kernels
