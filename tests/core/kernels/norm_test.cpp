#include "core/kernels/norm.h"

#include <mjolnir/core/threads.h>

#include <algorithm>

#include "core/kernels/columns.h"
#include "tests/core/kernels/kernel_test.h"

namespace mjolnir::kernels {
namespace {

using testing::expect_close;
using testing::Expected;
using testing::random_values;

struct Matrix {
  std::int64_t rows, columns;
};

// Full panels, a rest, less than a panel, one row block and many, one row.
const Matrix matrices[] = {{37, 16}, {1000, 3},  {513, 21}, {7, 64},
                           {2, 1},   {5000, 40}, {1, 5}};

template <class T>
double epsilon() {
  return std::numeric_limits<T>::epsilon();
}

template <class T>
void check_sum_columns() {
  for (const auto [rows, columns] : matrices) {
    const auto x = random_values<T>(rows * columns, 1);
    Expected expected(columns);
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      expected.add(i % columns, x[i]);
    }
    std::vector<T> out(columns, T(7));
    sum_columns(rows, columns, x.data(), out.data());
    expect_close(out, expected);
  }
}

TEST(SumColumns, MatchesTheDefinition) {
  check_sum_columns<float>();
  check_sum_columns<double>();
}

TEST(SumColumns, OfNoRowsIsZero) {
  std::vector<float> out(3, 5.0f);
  sum_columns<float>(0, 3, nullptr, out.data());
  EXPECT_EQ(out, std::vector<float>(3, 0.0f));
}

// Rows of one number: their variance is 0, and must not come out below it,
// where no epsilon to speak of would save the square root.
TEST(LayerNormKernel, HasNoNegativeVariance) {
  for (std::int64_t columns = 2; columns < 600; ++columns) {
    for (const float value : {0.1f, 1.7f, 333.3f}) {
      const std::vector<float> x(columns, value);
      std::vector<float> y(columns);
      float mean = 0, inverse_std = 0;
      layer_norm_forward<float>(1, columns, 1e-30, x.data(), nullptr, nullptr,
                                y.data(), &mean, &inverse_std);
      ASSERT_TRUE(std::isfinite(inverse_std)) << columns << " of " << value;
    }
  }
}

TEST(RepeatRow, FillsEveryRow) {
  const std::vector<float> x{1, 2, 3};
  std::vector<float> y(6, 9.0f);
  repeat_row(2, 3, x.data(), y.data());
  EXPECT_EQ(y, (std::vector<float>{1, 2, 3, 1, 2, 3}));
}

TEST(SumColumns, KeepsTenMillionFloatsAccurate) {
  const std::int64_t rows = 10'000'000;
  const std::vector<float> x(rows, 0.1f);
  float sum = 0;
  sum_columns(rows, 1, x.data(), &sum);
  EXPECT_NEAR(sum / double(rows), double(0.1f), 1e-6 * 0.1);
  double mean = 0, variance = 1;
  column_moments(rows, 1, x.data(), &mean, &variance);
  EXPECT_NEAR(mean, double(0.1f), 1e-6 * 0.1);
  EXPECT_EQ(variance, 0);
}

// Mean and biased variance of a column, in two passes.
struct Moments {
  double mean = 0, variance = 0;
};

template <class T>
Moments moments(const std::vector<T>& x, std::int64_t columns, std::int64_t c) {
  Moments result;
  const double rows = double(x.size()) / double(columns);
  for (std::size_t i = c; i < x.size(); i += columns) {
    result.mean += double(x[i]) / rows;
  }
  for (std::size_t i = c; i < x.size(); i += columns) {
    const double d = double(x[i]) - result.mean;
    result.variance += d * d / rows;
  }
  return result;
}

template <class T>
void check_moments(double offset, double scale) {
  for (const auto [rows, columns] : matrices) {
    auto x = random_values<T>(rows * columns, 2);
    for (T& value : x) value = static_cast<T>(offset + scale * double(value));
    x[0] = static_cast<T>(offset + 30 * scale);  // an outlier comes first
    std::vector<double> mean(columns), variance(columns);
    column_moments(rows, columns, x.data(), mean.data(), variance.data());
    for (std::int64_t c = 0; c < columns; ++c) {
      const Moments expected = moments(x, columns, c);
      EXPECT_NEAR(mean[c], expected.mean,
                  8 * epsilon<T>() * std::sqrt(expected.variance) +
                      1e-13 * std::abs(offset));
      // 1e-9: what the subtraction of mean^2 costs in double
      EXPECT_NEAR(variance[c], expected.variance,
                  (8 * epsilon<T>() + 1e-9) * expected.variance)
          << rows << "x" << columns;
    }
  }
}

TEST(ColumnMoments, MatchTheDefinition) {
  check_moments<float>(0, 1);
  check_moments<double>(0, 1);
}

TEST(ColumnMoments, SurviveAMeanFarFromZero) {
  check_moments<float>(1000, 0.25);
  check_moments<double>(1e6, 1e-2);
}

TEST(ColumnMoments, OfAConstantHaveVarianceZero) {
  const std::vector<float> x(7 * 130, 0.3f);
  std::vector<double> mean(7), variance(7, 1.0);
  column_moments(130, 7, x.data(), mean.data(), variance.data());
  EXPECT_EQ(mean, std::vector<double>(7, double(0.3f)));
  EXPECT_EQ(variance, std::vector<double>(7, 0.0));
}

TEST(ColumnMoments, LetNotANumberThrough) {
  std::vector<float> x(20 * 4, 1.0f);
  x[13 * 4 + 2] = std::numeric_limits<float>::quiet_NaN();
  std::vector<double> mean(4), variance(4);
  column_moments(20, 4, x.data(), mean.data(), variance.data());
  EXPECT_TRUE(std::isnan(mean[2]) && std::isnan(variance[2]));
  EXPECT_EQ(mean[1], 1);
}

TEST(ColumnMoments, DoNotDependOnTheThreads) {
  const auto x = random_values<float>(9001 * 24, 3);
  const int before = num_threads();
  std::vector<std::vector<double>> results;
  for (int threads : {1, 2, 5}) {
    set_num_threads(threads);
    std::vector<double> both(48);
    column_moments(9001, 24, x.data(), both.data(), both.data() + 24);
    results.push_back(both);
  }
  set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(UpdateRunning, UsesTheUnbiasedVariance) {
  // Batch 1, 3, 5: mean 3, biased variance 8/3, unbiased 4.
  const double mean = 3, variance = 8.0 / 3;
  double running_mean = 1, running_variance = 2;
  update_running(3, 1, 0.25, &mean, &variance, &running_mean,
                 &running_variance);
  EXPECT_NEAR(running_mean, 1.5, 1e-15);
  EXPECT_NEAR(running_variance, 2.5, 1e-15);
}

// What a batch norm kernel is given, and the definition's answers.
template <class T>
struct BatchNormData {
  std::int64_t rows, columns;
  std::vector<T> x, dy, w, b;
  std::vector<double> mean, inverse_std;
  BatchNormData(Matrix shape, bool training)
      : rows(shape.rows),
        columns(shape.columns),
        x(random_values<T>(rows * columns, 5)),
        dy(random_values<T>(rows * columns, 6)),
        w(random_values<T>(columns, 7)),
        b(random_values<T>(columns, 8)) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const Moments m = moments(x, columns, c);
      mean.push_back(training ? m.mean : 0.25 * double(c) - 1);
      inverse_std.push_back(training ? 1 / std::sqrt(m.variance + 1e-3)
                                     : 0.5 + 0.1 * double(c));
    }
  }
  double xhat(std::int64_t i) const {
    return (double(x[i]) - mean[i % columns]) * inverse_std[i % columns];
  }
};

template <class T>
void check_batch_norm_forward(bool affine) {
  for (const Matrix shape : matrices) {
    const BatchNormData<T> d(shape, false);
    std::vector<T> y(d.x.size());
    batch_norm_forward(d.rows, d.columns, d.x.data(), d.mean.data(),
                       d.inverse_std.data(), affine ? d.w.data() : nullptr,
                       affine ? d.b.data() : nullptr, y.data());
    for (std::int64_t i = 0; i < d.rows * d.columns; ++i) {
      const std::int64_t c = i % d.columns;
      const double w = affine ? double(d.w[c]) : 1, b = affine ? d.b[c] : 0;
      const double size = std::abs(w * d.inverse_std[c]) *
                          (std::abs(double(d.x[i])) + std::abs(d.mean[c]));
      ASSERT_NEAR(double(y[i]), d.xhat(i) * w + b,
                  8 * epsilon<T>() * (size + std::abs(b)));
    }
  }
}

TEST(BatchNormKernel, ForwardMatchesTheDefinition) {
  check_batch_norm_forward<float>(true);
  check_batch_norm_forward<float>(false);
  check_batch_norm_forward<double>(true);
}

// dx by the chain rule through every element: with xhat = (x - mean(x)) s(x),
// d xhat[j] / d x[i] = s ((i = j) - 1/R - xhat[i] xhat[j] / R).
template <class T>
void check_batch_norm_backward(bool training) {
  for (const Matrix shape : {Matrix{37, 16}, {20, 3}, {65, 21}, {2, 1}}) {
    const BatchNormData<T> d(shape, training);
    std::vector<T> dx(d.x.size()), dw(d.columns), db(d.columns);
    batch_norm_backward(d.rows, d.columns, training, d.x.data(), d.dy.data(),
                        d.mean.data(), d.inverse_std.data(), d.w.data(),
                        dx.data(), dw.data(), db.data());
    Expected expected_dx(d.rows * d.columns);
    Expected expected_dw(d.columns), expected_db(d.columns);
    for (std::int64_t i = 0; i < d.rows * d.columns; ++i) {
      const std::int64_t c = i % d.columns;
      const double ws = double(d.w[c]) * d.inverse_std[c];
      expected_dw.add(c, double(d.dy[i]) * double(d.x[i]) * d.inverse_std[c]);
      expected_dw.add(c, -double(d.dy[i]) * d.mean[c] * d.inverse_std[c]);
      expected_db.add(c, d.dy[i]);
      expected_dx.add(i, ws * double(d.dy[i]));
      for (std::int64_t j = c; training && j < d.rows * d.columns;
           j += d.columns) {
        const double share = ws * double(d.dy[j]) / double(d.rows);
        expected_dx.add(i, -share);
        expected_dx.add(i, -share * d.xhat(i) * d.xhat(j));
      }
    }
    expect_close(dx, expected_dx);
    expect_close(dw, expected_dw);
    expect_close(db, expected_db);
  }
}

TEST(BatchNormKernel, BackwardMatchesTheChainRule) {
  check_batch_norm_backward<float>(true);
  check_batch_norm_backward<double>(true);
}

TEST(BatchNormKernel, BackwardWithConstantStatistics) {
  check_batch_norm_backward<float>(false);
  check_batch_norm_backward<double>(false);
}

TEST(BatchNormKernel, SurvivesAMeanFarFromZero) {
  // Spread 1 around 2^20: x is exact to 1/16 there, the mean is not.
  const std::int64_t rows = 64;
  std::vector<float> x(rows), y(rows);
  for (std::int64_t r = 0; r < rows; ++r) {
    x[r] = 1048576.0f + float(r * 7 % 64) / 16;
  }
  const Moments m = moments(x, 1, 0);
  const double inverse_std = 1 / std::sqrt(m.variance);
  batch_norm_forward<float>(rows, 1, x.data(), &m.mean, &inverse_std, nullptr,
                            nullptr, y.data());
  for (std::int64_t r = 0; r < rows; ++r) {
    EXPECT_NEAR(y[r], (double(x[r]) - m.mean) * inverse_std, 1e-6);
  }
}

TEST(BatchNormKernel, SkipsWhatNobodyWants) {
  const BatchNormData<double> d({9, 4}, true);
  std::vector<double> dx(36), dw(4), db(4), dx_alone(36), dw_alone(4);
  const auto run = [&](double* to_x, double* to_w, double* to_b) {
    batch_norm_backward(d.rows, d.columns, true, d.x.data(), d.dy.data(),
                        d.mean.data(), d.inverse_std.data(), d.w.data(), to_x,
                        to_w, to_b);
  };
  run(dx.data(), dw.data(), db.data());
  run(dx_alone.data(), nullptr, nullptr);
  run(nullptr, dw_alone.data(), nullptr);
  EXPECT_EQ(dx_alone, dx);
  EXPECT_EQ(dw_alone, dw);
}

template <class T>
void check_layer_norm() {
  for (const Matrix shape : {Matrix{5, 7}, {3, 16}, {40, 300}, {1, 33}}) {
    const std::int64_t R = shape.rows, C = shape.columns;
    const auto x = random_values<T>(R * C, 11),
               dy = random_values<T>(R * C, 12);
    const auto w = random_values<T>(C, 13), b = random_values<T>(C, 14);
    std::vector<T> y(R * C), dx(R * C), dw(C), db(C), mean(R), inverse_std(R);
    const double eps = 1e-3;
    layer_norm_forward(R, C, eps, x.data(), w.data(), b.data(), y.data(),
                       mean.data(), inverse_std.data());
    layer_norm_backward(R, C, x.data(), dy.data(), mean.data(),
                        inverse_std.data(), w.data(), dx.data(), dw.data(),
                        db.data());
    Expected expected_dw(C), expected_db(C);
    for (std::int64_t r = 0; r < R; ++r) {
      const std::vector<T> row(x.begin() + r * C, x.begin() + (r + 1) * C);
      const Moments m = moments(row, 1, 0);
      const double s = 1 / std::sqrt(m.variance + eps);
      const auto xhat = [&](std::int64_t c) {
        return (double(row[c]) - m.mean) * s;
      };
      Expected expected_dx(C);
      for (std::int64_t c = 0; c < C; ++c) {
        const double size = std::abs(double(w[c]) * s) *
                                (std::abs(double(row[c])) + std::abs(m.mean)) +
                            std::abs(double(b[c]));
        ASSERT_NEAR(double(y[r * C + c]), xhat(c) * double(w[c]) + double(b[c]),
                    8 * epsilon<T>() * size);
        expected_dw.add(c, double(dy[r * C + c]) * s * double(row[c]));
        expected_dw.add(c, -double(dy[r * C + c]) * s * m.mean);
        expected_db.add(c, dy[r * C + c]);
        expected_dx.add(c, s * double(dy[r * C + c]) * double(w[c]));
        for (std::int64_t j = 0; j < C; ++j) {
          const double share =
              s * double(dy[r * C + j]) * double(w[j]) / double(C);
          expected_dx.add(c, -share);
          expected_dx.add(c, -share * xhat(c) * xhat(j));
        }
      }
      expect_close(std::vector<T>(dx.begin() + r * C, dx.begin() + (r + 1) * C),
                   expected_dx);
    }
    expect_close(dw, expected_dw);
    expect_close(db, expected_db);
  }
}

TEST(LayerNormKernel, MatchesTheDefinition) {
  check_layer_norm<float>();
  check_layer_norm<double>();
}

TEST(LayerNormKernel, WithoutWeightAndBias) {
  // (-1, 1): mean 0, variance 1.
  const std::vector<double> x{-1, 1};
  std::vector<double> y(2);
  double mean = 7, inverse_std = 7;
  layer_norm_forward<double>(1, 2, 3.0, x.data(), nullptr, nullptr, y.data(),
                             &mean, &inverse_std);
  EXPECT_EQ(y, (std::vector<double>{-0.5, 0.5}));
}

}  // namespace
}  // namespace mjolnir::kernels
