#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/random.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir::testing {

/** Elements as doubles, in logical order. */
inline std::vector<double> values_of(const Tensor& x) {
  if (x.dtype() == DType::F64) return x.to_vector<double>();
  if (x.dtype() == DType::I64) {
    const auto v = x.to_vector<std::int64_t>();
    return {v.begin(), v.end()};
  }
  const auto v = x.to_vector<float>();
  return {v.begin(), v.end()};
}

/** max |a - b| / max |b|; infinite for a NaN or another count. */
inline double relative_error(const std::vector<double>& a,
                             const std::vector<double>& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double difference = 0;
  double scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(std::abs(a[i] - b[i]) < HUGE_VAL)) return HUGE_VAL;
    difference = std::max(difference, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  return scale == 0 ? difference : difference / scale;
}

inline double relative_error(const Tensor& a, const Tensor& b) {
  return relative_error(values_of(a), values_of(b));
}

/** Same shape and the same bits. */
inline bool bit_equal(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         values_of(a) == values_of(b);
}

/** A tensor with these elements, given in logical order. */
inline Tensor tensor(const std::vector<double>& values, const Shape& shape) {
  return Tensor::from(values, shape);
}

inline Tensor random_f64(const Shape& shape, Generator& rng,
                         Layout layout = Layout::RowMajor) {
  return normal(shape, 0, 1, rng, {DType::F64, layout});
}

/** The message of the Error of type E that f throws; "" if it throws none. */
template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

}  // namespace mjolnir::testing
