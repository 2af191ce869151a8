#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/core/autograd.h>

namespace mjolnir::tape {

using Values = std::vector<double>;

inline Tensor leaf(const Values& values) {
  const Tensor x =
      Tensor::from(values, {static_cast<std::int64_t>(values.size())});
  return x.set_requires_grad(true);
}

// Small ops of these tests' own, so that the tape is tested alone.
inline Tensor product(const Tensor& a, const Tensor& b) {
  const Tensor y = Tensor::empty_like(a);
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    y.mutable_data<double>()[i] = a.data<double>()[i] * b.data<double>()[i];
  }
  return make_op("product", {a, b}, y,
                 [sa = Saved(a), sb = Saved(b)](const Tensor& dy,
                                                const BackwardContext& c) {
                   std::vector<Tensor> d(2);
                   if (c.needs(0)) d[0] = product(dy, sb.get());
                   if (c.needs(1)) d[1] = product(dy, sa.get());
                   return d;
                 });
}

inline Tensor exponential(const Tensor& x) {
  const Tensor y = Tensor::empty_like(x);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    y.mutable_data<double>()[i] = std::exp(x.data<double>()[i]);
  }
  return make_op(
      "exponential", {x}, y,
      [sy = Saved::output(y)](const Tensor& dy, const BackwardContext&) {
        return std::vector<Tensor>{product(dy, sy.get())};
      });
}

Tensor spread(const Tensor& x, std::int64_t n);

inline Tensor total(const Tensor& x) {
  double sum = 0;
  for (const double v : x.to_vector<double>()) sum += v;
  const std::int64_t n = x.numel();
  return make_op("total", {x}, Tensor::scalar(sum, DType::F64),
                 [n](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{spread(dy, n)};
                 });
}

inline Tensor spread(const Tensor& x, std::int64_t n) {
  TensorOptions f64;
  f64.dtype = DType::F64;
  return make_op("spread", {x}, Tensor::full({n}, x.item(), f64),
                 [](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{total(dy)};
                 });
}

/** The message of the Error that f throws. */
template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

}  // namespace mjolnir::tape
