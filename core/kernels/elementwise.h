#pragma once

#include <cstdint>

#include "core/kernels/loop_nest.h"

namespace mjolnir::kernels {

/** Functions of one number; elementwise_functions.h has the formulas. */
enum class Unary : std::uint8_t {
  Neg,
  Affine,
  DivideBy,
  Reciprocal,
  Exp,
  Log,
  Sqrt,
  Abs,
  Relu,
  LeakyRelu,
  Sigmoid,
  Tanh,
  Softplus,
  Silu,
  NormalDistribution,
  Gelu,
  Clamp,
  Square,
  Power,
};

/** Functions of two numbers. */
enum class Binary : std::uint8_t {
  Add,
  Sub,
  Mul,
  Div,
  Maximum,
  Minimum,
  Pow,
  LogisticLoss,
};

/** What a unary function takes beside its argument. */
struct Constants {
  double p = 0.0;
  double q = 0.0;
};

/** True if the gradient of f is computed from its result. */
constexpr bool gradient_from_output(Unary f) noexcept {
  return f == Unary::Exp || f == Unary::Sqrt || f == Unary::Relu ||
         f == Unary::Sigmoid || f == Unary::Tanh;
}

// y_i = f(x_i)
// x, y (n)
template <class T>
void map(Unary f, Constants constants, std::int64_t n, const T* x, T* y);
void map_fast(Unary f, Constants constants, std::int64_t n, const float* x,
              float* y);

// dx_i = f'(x_i) dy_i, from y_i where gradient_from_output(f)
// saved, dy, dx (n)
template <class T>
void map_gradient(Unary f, Constants constants, std::int64_t n, const T* saved,
                  const T* dy, T* dx);
void map_gradient_fast(Unary f, Constants constants, std::int64_t n,
                       const float* saved, const float* dy, float* dx);

// y = f(a, b)
// y as the nest's output, a and b its operands 0 and 1
template <class T>
void zip(Binary f, const LoopNest& nest, const T* a, const T* b, T* y);
void zip_fast(Binary f, const LoopNest& nest, const float* a, const float* b,
              float* y);

// y = a >= b; 0 where either is NaN
// y as the nest's output, a and b its operands 0 and 1
template <class T>
void greater_equal(const LoopNest& nest, const T* a, const T* b,
                   std::uint8_t* y);

// y = condition ? a : b
// y as the nest's output; condition, a and b its operands 0, 1 and 2
template <class T>
void where(const LoopNest& nest, const std::uint8_t* condition, const T* a,
           const T* b, T* y);

}  // namespace mjolnir::kernels
