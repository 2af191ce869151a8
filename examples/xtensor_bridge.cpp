// Arrays of xtensor go in and out of Mjolnir without a copy. A straight line
// y = w x + b is fitted to five points by gradient descent: xtensor makes the
// data and shows the result, Mjolnir differentiates. It prints
//
//     in: the same memory
//     first gradient: Mjolnir -20, xtensor -20
//     w = 2.000, b = -1.000
//     out: the same memory, mean of the fit 3.000

#include <mjolnir/core/xtensor.h>
#include <mjolnir/mjolnir.h>

#include <cstdio>
#include <utility>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xmath.hpp>

namespace mj = mjolnir;

int main() {
  // x = 0 1 2 3 4 and y = 2 x - 1, as xtensor arrays.
  xt::xtensor<double, 1> x = xt::arange<double>(0, 5);
  xt::xtensor<double, 1> y = 2.0 * x - 1.0;

  // A moved array becomes the tensor; y is an lvalue, so it is copied.
  const double* memory = x.data();
  const mj::Tensor inputs = mj::from_xtensor(std::move(x));
  const mj::Tensor targets = mj::from_xtensor(y);
  std::printf("in: %s\n",
              inputs.data<double>() == memory ? "the same memory" : "a copy");

  const mj::Tensor w = mj::Tensor::zeros({1}, {mj::DType::F64});
  const mj::Tensor b = mj::Tensor::zeros({1}, {mj::DType::F64});
  w.set_requires_grad(true);
  b.set_requires_grad(true);
  mj::Tensor fit;
  for (int step = 0; step < 500; ++step) {
    w.zero_grad();
    b.zero_grad();
    fit = inputs * w + b;
    mj::mse(fit, targets).backward();
    if (step == 0) {
      // d/dw mean (w x + b - y)^2 = mean 2 x (w x + b - y), at w = b = 0
      const auto seen = mj::as_xtensor<double>(inputs);
      const double expected = xt::mean(-2.0 * seen * y)();
      std::printf("first gradient: Mjolnir %g, xtensor %g\n", w.grad().item(),
                  expected);
    }
    // An adaptor to write in place: the tensor sees the new values.
    mj::as_mutable_xtensor<double>(w) -= 0.1 * mj::as_xtensor<double>(w.grad());
    mj::as_mutable_xtensor<double>(b) -= 0.1 * mj::as_xtensor<double>(b.grad());
  }
  std::printf("w = %.3f, b = %.3f\n", w.item(), b.item());

  const auto line = mj::as_xtensor<double>(fit);
  std::printf("out: %s, mean of the fit %.3f\n",
              line.data() == fit.data<double>() ? "the same memory" : "a copy",
              xt::mean(line)());
  return 0;
}
