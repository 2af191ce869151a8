#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace mjolnir::testing {

/** Standard normal numbers, the same for the same seed. */
template <class T>
std::vector<T> random_values(std::int64_t count, unsigned seed) {
  std::mt19937 bits(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = static_cast<T>(normal(bits));
  return values;
}

/** Sums computed in double, and how much rounding each may suffer. */
struct Expected {
  std::vector<double> sum;
  std::vector<double> magnitude;  // sum of the |terms|
  std::vector<double> terms;      // how many
  explicit Expected(std::int64_t count)
      : sum(static_cast<std::size_t>(count)),
        magnitude(sum.size()),
        terms(sum.size()) {}
  void add(std::int64_t at, double term) {
    const auto i = static_cast<std::size_t>(at);
    sum[i] += term;
    magnitude[i] += std::abs(term);
    terms[i] += 1;
  }
};

/** |error| <= 8 eps sqrt(K) sum|terms|: rounding of K terms, no more. */
template <class T>
void expect_close(const std::vector<T>& actual, const Expected& expected) {
  ASSERT_EQ(actual.size(), expected.sum.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double bound = 8 * double(std::numeric_limits<T>::epsilon()) *
                         std::sqrt(expected.terms[i]) * expected.magnitude[i];
    ASSERT_LE(std::abs(double(actual[i]) - expected.sum[i]), bound)
        << "at " << i << ": " << actual[i] << " for " << expected.sum[i];
  }
}

}  // namespace mjolnir::testing
