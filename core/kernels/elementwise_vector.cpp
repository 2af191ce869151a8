#include "core/kernels/elementwise_vector.h"

#include <cmath>
#include <xsimd/xsimd.hpp>

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 sees an uninitialised value in its own AVX-512 intrinsics.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace mjolnir::kernels {
namespace {

#include "core/kernels/elementwise_functions.h"

using Batch = xsimd::batch<float>;
constexpr std::int64_t kWidth = static_cast<std::int64_t>(Batch::size);

// The last n < kWidth elements go through a whole vector too, so that a value
// does not depend on its position.
Batch load_part(const float* x, std::int64_t n) {
  alignas(64) float buffer[kWidth] = {};
  for (std::int64_t i = 0; i < n; ++i) buffer[i] = x[i];
  return Batch::load_aligned(buffer);
}

void store_part(const Batch& value, std::int64_t n, float* y) {
  alignas(64) float buffer[kWidth];
  value.store_aligned(buffer);
  for (std::int64_t i = 0; i < n; ++i) y[i] = buffer[i];
}

template <class F>
void map_loop(Constants constants, std::int64_t n, const float* x, float* y) {
  const Batch p(static_cast<float>(constants.p));
  const Batch q(static_cast<float>(constants.q));
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    F::forward(Batch::load_unaligned(x + i), p, q).store_unaligned(y + i);
  }
  if (i < n) {
    store_part(F::forward(load_part(x + i, n - i), p, q), n - i, y + i);
  }
}

template <class F>
void gradient_loop(Constants constants, std::int64_t n, const float* saved,
                   const float* dy, float* dx) {
  const Batch p(static_cast<float>(constants.p));
  const Batch q(static_cast<float>(constants.q));
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    F::gradient(Batch::load_unaligned(saved + i), Batch::load_unaligned(dy + i),
                p, q)
        .store_unaligned(dx + i);
  }
  if (i < n) {
    store_part(F::gradient(load_part(saved + i, n - i),
                           load_part(dy + i, n - i), p, q),
               n - i, dx + i);
  }
}

template <class F, int StepA, int StepB>
void zip_steps(std::int64_t n, const float* a, const float* b, float* y) {
  const Batch first_a(*a), first_b(*b);
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    F::forward(StepA == 1 ? Batch::load_unaligned(a + i) : first_a,
               StepB == 1 ? Batch::load_unaligned(b + i) : first_b)
        .store_unaligned(y + i);
  }
  if (i < n) {
    store_part(F::forward(StepA == 1 ? load_part(a + i, n - i) : first_a,
                          StepB == 1 ? load_part(b + i, n - i) : first_b),
               n - i, y + i);
  }
}

template <class F>
void zip_loop(std::int64_t n, const float* a, std::int64_t step_a,
              const float* b, std::int64_t step_b, float* y) {
  if (n == 0) return;
  if (step_a == 1 && step_b == 1) return zip_steps<F, 1, 1>(n, a, b, y);
  if (step_a == 1) return zip_steps<F, 1, 0>(n, a, b, y);
  if (step_b == 1) return zip_steps<F, 0, 1>(n, a, b, y);
  zip_steps<F, 0, 0>(n, a, b, y);
}

template <class F>
struct Forward {
  static constexpr MapLoop run = map_loop<F>;
};

template <class F>
struct Backward {
  static constexpr MapGradientLoop run = gradient_loop<F>;
};

// xsimd's pow is wrong at pow(0, 0) and pow(0, -1): Power and Pow have none.
template <template <class> class Loop>
auto pick_unary(Unary f) {
  switch (f) {
    case Unary::Neg:
      return Loop<Neg>::run;
    case Unary::Affine:
      return Loop<Affine>::run;
    case Unary::DivideBy:
      return Loop<DivideBy>::run;
    case Unary::Reciprocal:
      return Loop<Reciprocal>::run;
    case Unary::Exp:
      return Loop<Exp>::run;
    case Unary::Log:
      return Loop<Log>::run;
    case Unary::Sqrt:
      return Loop<Sqrt>::run;
    case Unary::Abs:
      return Loop<Abs>::run;
    case Unary::Relu:
      return Loop<Relu>::run;
    case Unary::LeakyRelu:
      return Loop<LeakyRelu>::run;
    case Unary::Sigmoid:
      return Loop<Sigmoid>::run;
    case Unary::Tanh:
      return Loop<Tanh>::run;
    case Unary::Softplus:
      return Loop<Softplus>::run;
    case Unary::Silu:
      return Loop<Silu>::run;
    case Unary::NormalDistribution:
      return Loop<NormalDistribution>::run;
    case Unary::Gelu:
      return Loop<Gelu>::run;
    case Unary::Clamp:
      return Loop<Clamp>::run;
    case Unary::Square:
      return Loop<Square>::run;
    case Unary::Power:
      break;
  }
  return decltype(Loop<Neg>::run){nullptr};
}

MapLoop pick_map(Unary f) { return pick_unary<Forward>(f); }

MapGradientLoop pick_map_gradient(Unary f) { return pick_unary<Backward>(f); }

ZipLoop pick_zip(Binary f) {
  switch (f) {
    case Binary::Add:
      return zip_loop<Add>;
    case Binary::Sub:
      return zip_loop<Sub>;
    case Binary::Mul:
      return zip_loop<Mul>;
    case Binary::Div:
      return zip_loop<Div>;
    case Binary::Maximum:
      return zip_loop<Maximum>;
    case Binary::Minimum:
      return zip_loop<Minimum>;
    case Binary::Pow:
      break;
  }
  return nullptr;
}

constexpr VectorLoops kLoops{pick_map, pick_map_gradient, pick_zip};

}  // namespace

const VectorLoops& vector_loops() noexcept { return kLoops; }

}  // namespace mjolnir::kernels
