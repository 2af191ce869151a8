#include "core/kernels/batch_norm_relu.h"

#include <mjolnir/core/threads.h>

#include <algorithm>
#include <numeric>

#include "core/kernels/elementwise_vector.h"
#include "core/kernels/norm.h"
#include "tests/core/kernels/kernel_test.h"

namespace mjolnir::kernels {
namespace {

using testing::expect_close;
using testing::Expected;
using testing::random_values;

// A matrix, what normalises its columns, and the gradient of its result.
template <class T>
struct Problem {
  std::int64_t rows, columns;
  std::vector<T> x, addend, dy, w, b;
  std::vector<double> mean, inverse_std;
  Problem(std::int64_t rows_, std::int64_t columns_)
      : rows(rows_),
        columns(columns_),
        x(random_values<T>(rows * columns, 1)),
        addend(random_values<T>(rows * columns, 2)),
        dy(random_values<T>(rows * columns, 3)),
        w(random_values<T>(columns, 4)),
        b(random_values<T>(columns, 5)),
        mean(columns),
        inverse_std(columns) {
    column_moments(rows, columns, x.data(), mean.data(), inverse_std.data());
    invert_std(columns, 1e-3, inverse_std.data());
  }
  NormColumns<T> of() const {
    return {mean.data(), inverse_std.data(), w.data(), b.data()};
  }
  std::int64_t size() const { return rows * columns; }
};

// What relu is applied to, and the sum of the |terms|.
struct Before {
  double value, size;
};

template <class T>
Before before_relu(const Problem<T>& p, bool addend, std::int64_t i) {
  const std::int64_t c = i % p.columns;
  const double ws = double(p.w[c]) * p.inverse_std[c], x = p.x[i];
  Before at{(x - p.mean[c]) * ws + double(p.b[c]),
            std::abs(ws) * (std::abs(x) + std::abs(p.mean[c])) +
                std::abs(double(p.b[c]))};
  if (addend) {
    at.value += double(p.addend[i]);
    at.size += std::abs(double(p.addend[i]));
  }
  return at;
}

template <class T>
struct Result {
  std::vector<T> y, dx, daddend, dw, db;
  bool operator==(const Result& o) const {
    return y == o.y && dx == o.dx && daddend == o.daddend && dw == o.dw &&
           db == o.db;
  }
};

// Forward and backward by the reference kernels, or the fast ones.
template <class T>
Result<T> run(const Problem<T>& p, bool fast, bool training, bool addend) {
  Result<T> r;
  r.y.resize(p.x.size());
  r.dx.resize(p.x.size());
  r.daddend.resize(addend ? p.x.size() : 0);
  r.dw.resize(p.columns);
  r.db.resize(p.columns);
  NormReluGradient<T> to;
  to.training = training;
  to.x = p.x.data();
  to.dy = p.dy.data();
  to.y = addend ? r.y.data() : nullptr;
  to.dx = r.dx.data();
  to.daddend = addend ? r.daddend.data() : nullptr;
  to.dw = r.dw.data();
  to.db = r.db.data();
  const T* added = addend ? p.addend.data() : nullptr;
  if constexpr (std::is_same_v<T, float>) {
    if (fast) {
      batch_norm_relu_forward_fast(p.rows, p.columns, p.of(), p.x.data(), added,
                                   r.y.data());
      batch_norm_relu_backward_fast(p.rows, p.columns, p.of(), to);
      return r;
    }
  }
  batch_norm_relu_forward(p.rows, p.columns, p.of(), p.x.data(), added,
                          r.y.data());
  batch_norm_relu_backward(p.rows, p.columns, p.of(), to);
  return r;
}

// The definition; batch_norm_backward, which has a test of its own, gives the
// gradients of what comes before relu.
template <class T>
void check(const Problem<T>& p, const Result<T>& r, bool training,
           bool addend) {
  const double epsilon = std::numeric_limits<T>::epsilon();
  std::vector<T> g(p.x.size());
  for (std::int64_t i = 0; i < p.size(); ++i) {
    const Before at = before_relu(p, addend, i);
    ASSERT_NEAR(double(r.y[i]), std::max(at.value, 0.0), 8 * epsilon * at.size);
    g[i] = r.y[i] > 0 ? p.dy[i] : T(0);
  }
  if (addend) {
    EXPECT_EQ(r.daddend, g);
  }
  std::vector<T> dx(p.x.size()), dw(p.columns), db(p.columns);
  batch_norm_backward(p.rows, p.columns, training, p.x.data(), g.data(),
                      p.mean.data(), p.inverse_std.data(), p.w.data(),
                      dx.data(), dw.data(), db.data());
  for (std::int64_t c = 0; c < p.columns; ++c) {
    // Sums of about `rows` terms of size 1.
    const double allowed = 8 * epsilon * double(p.rows);
    ASSERT_NEAR(double(r.dw[c]), double(dw[c]), allowed * p.inverse_std[c]);
    ASSERT_NEAR(double(r.db[c]), double(db[c]), allowed);
  }
  for (std::int64_t i = 0; i < p.size(); ++i) {
    const std::int64_t c = i % p.columns;
    const double s = std::abs(double(p.w[c])) * p.inverse_std[c];
    // The terms dy, mean(g) and xhat mean(g xhat), the last of at most R |g|.
    ASSERT_NEAR(double(r.dx[i]), double(dx[i]), 64 * epsilon * s * 8)
        << p.rows << "x" << p.columns << " at " << i;
  }
}

template <class T>
void check_all(bool fast) {
  // One vector of columns, many, a rest, repeated and too many to repeat; one
  // row and as many as share threads.
  const std::pair<std::int64_t, std::int64_t> shapes[] = {
      {37, 16}, {1000, 3}, {513, 21}, {70, 64}, {2, 1}, {5000, 40}, {9, 513}};
  for (const auto& [rows, columns] : shapes) {
    const Problem<T> p(rows, columns);
    for (const bool training : {true, false}) {
      for (const bool addend : {true, false}) {
        SCOPED_TRACE(std::to_string(rows) + "x" + std::to_string(columns));
        check(p, run(p, fast, training, addend), training, addend);
      }
    }
  }
}

TEST(BatchNormReluKernel, MatchesTheDefinition) {
  check_all<float>(false);
  check_all<double>(false);
}

TEST(BatchNormReluKernel, FastMatchesTheDefinition) { check_all<float>(true); }

TEST(BatchNormReluKernel, DoesNotDependOnTheThreads) {
  const int before = num_threads();
  for (const std::int64_t columns : {16, 24, 3}) {
    const Problem<float> p(9001, columns);
    for (const bool fast : {true, false}) {
      for (const bool addend : {true, false}) {
        set_num_threads(1);
        const Result<float> one = run(p, fast, true, addend);
        for (const int threads : {2, 5}) {
          set_num_threads(threads);
          EXPECT_TRUE(run(p, fast, true, addend) == one) << threads;
        }
      }
    }
  }
  set_num_threads(before);
}

// Each instruction set that this CPU has, with lengths that leave a rest.
TEST(BatchNormReluKernel, AllInstructionSetsAgree) {
  const Problem<float> p(29, 3);
  const std::int64_t period = 96, n = p.size();
  std::vector<std::vector<float>> constants;
  for (unsigned k = 0; k < 5; ++k) {
    std::vector<float> of = random_values<float>(3, 10 + k);
    while (of.size() < 96) of.push_back(of[of.size() - 3]);
    constants.push_back(of);
  }
  const NormReluConstants of{period,
                             constants[0].data(),
                             constants[1].data(),
                             constants[2].data(),
                             constants[3].data(),
                             constants[4].data()};
  std::vector<const VectorLoops*> sets{&baseline_vector_loops()};
  if (cpu_has_avx2()) sets.push_back(&avx2_vector_loops());
  if (cpu_has_avx512()) sets.push_back(&avx512_vector_loops());
  for (const bool addend : {true, false}) {
    for (const VectorLoops* loops : sets) {
      std::vector<float> y(n), dx(n), g(n);
      std::vector<double> sums(2 * period);
      NormReluGradient<float> to;
      to.training = true;
      to.x = p.x.data();
      to.dy = p.dy.data();
      to.dx = dx.data();
      to.y = addend ? y.data() : nullptr;
      to.daddend = addend ? g.data() : nullptr;
      loops->norm_relu.forward(of, n, p.x.data(),
                               addend ? p.addend.data() : nullptr, y.data());
      loops->norm_relu.sums(of, n, to, sums.data());
      loops->norm_relu.gradient(of, n, to);
      Expected first(period), second(period), expected_dx(n);
      for (std::int64_t i = 0; i < n; ++i) {
        const auto at = [&](std::size_t k) {
          return double(constants[k][static_cast<std::size_t>(i % period)]);
        };
        const double centred = double(p.x[i]) - at(0);
        const double before =
            centred * at(1) + at(2) + (addend ? double(p.addend[i]) : 0.0);
        EXPECT_NEAR(y[i], std::max(before, 0.0), 1e-5);
        const double gradient = before > 0 ? double(p.dy[i]) : 0.0;
        first.add(i % period, gradient);
        second.add(i % period, gradient * centred);
        expected_dx.add(i, at(1) * gradient);
        expected_dx.add(i, at(3) * double(p.x[i]));
        expected_dx.add(i, -at(3) * at(0));
        expected_dx.add(i, at(4));
      }
      expect_close(dx, expected_dx);
      for (std::int64_t j = 0; j < period; ++j) {
        EXPECT_NEAR(sums[j], first.sum[j], 1e-5);
        EXPECT_NEAR(sums[period + j], second.sum[j], 1e-5);
      }
    }
  }
}

TEST(BatchNormReluKernel, KeepsNotANumber) {
  Problem<float> p(40, 5);
  p.x[13 * 5 + 2] = std::numeric_limits<float>::quiet_NaN();
  p.mean.assign(5, 0.0);
  p.inverse_std.assign(5, 1.0);
  for (const bool fast : {true, false}) {
    const Result<float> r = run(p, fast, false, false);
    for (std::int64_t i = 0; i < p.size(); ++i) {
      EXPECT_EQ(std::isnan(r.y[i]), i == 13 * 5 + 2) << i;
      EXPECT_FALSE(std::isnan(r.dx[i])) << i;
    }
    EXPECT_EQ(r.dx[13 * 5 + 2], p.dy[13 * 5 + 2] * p.w[2]);
    EXPECT_TRUE(std::isnan(r.dw[2]));
    EXPECT_FALSE(std::isnan(r.dw[1]) || std::isnan(r.db[2]));
  }
}

}  // namespace
}  // namespace mjolnir::kernels
