#include "core/kernels/elementwise.h"

#include <algorithm>
#include <cmath>
#include <xsimd/xsimd.hpp>

#include "core/detail/parallel.h"
#include "core/kernels/elementwise_vector.h"
#include "core/kernels/grain.h"

namespace mjolnir::kernels {
namespace {

namespace functions {
#include "core/kernels/elementwise_functions.h"
}

template <class F, class T>
void map_as(Constants constants, std::int64_t n, const T* x, T* y) {
  const T p = static_cast<T>(constants.p);
  const T q = static_cast<T>(constants.q);
  parallel_for(n, worthwhile, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = F::forward(x[i], p, q);
  });
}

template <class F, class T>
void gradient_as(Constants constants, std::int64_t n, const T* saved,
                 const T* dy, T* dx) {
  const T p = static_cast<T>(constants.p);
  const T q = static_cast<T>(constants.q);
  parallel_for(n, worthwhile, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      dx[i] = F::gradient(saved[i], dy[i], p, q);
    }
  });
}

// Calls f(out, n, offsets) for the runs of a nest, in parallel.
template <class F>
void walk_parallel(const LoopNest& nest, F&& f) {
  parallel_for(
      nest.numel(), worthwhile,
      [&](std::int64_t begin, std::int64_t end) { nest.walk(begin, end, f); });
}

template <class F, class T>
void zip_as(const LoopNest& nest, const T* a, const T* b, T* y) {
  const std::int64_t step_a = nest.strides[0][nest.rank - 1];
  const std::int64_t step_b = nest.strides[1][nest.rank - 1];
  walk_parallel(nest,
                [&](std::int64_t out, std::int64_t n, const auto& offsets) {
                  const T* ra = a + offsets[0];
                  const T* rb = b + offsets[1];
                  for (std::int64_t i = 0; i < n; ++i) {
                    y[out + i] = F::forward(ra[i * step_a], rb[i * step_b]);
                  }
                });
}

// Calls visit(F{}) with the functor of a name.
template <class Visit>
void with_unary(Unary f, Visit&& visit) {
  using namespace functions;
  switch (f) {
    case Unary::Neg:
      return visit(Neg{});
    case Unary::Affine:
      return visit(Affine{});
    case Unary::DivideBy:
      return visit(DivideBy{});
    case Unary::Reciprocal:
      return visit(Reciprocal{});
    case Unary::Exp:
      return visit(Exp{});
    case Unary::Log:
      return visit(Log{});
    case Unary::Sqrt:
      return visit(Sqrt{});
    case Unary::Abs:
      return visit(Abs{});
    case Unary::Relu:
      return visit(Relu{});
    case Unary::LeakyRelu:
      return visit(LeakyRelu{});
    case Unary::Sigmoid:
      return visit(Sigmoid{});
    case Unary::Tanh:
      return visit(Tanh{});
    case Unary::Softplus:
      return visit(Softplus{});
    case Unary::Silu:
      return visit(Silu{});
    case Unary::NormalDistribution:
      return visit(NormalDistribution{});
    case Unary::Gelu:
      return visit(Gelu{});
    case Unary::Clamp:
      return visit(Clamp{});
    case Unary::Square:
      return visit(Square{});
    case Unary::Power:
      return visit(Power{});
  }
}

template <class Visit>
void with_binary(Binary f, Visit&& visit) {
  using namespace functions;
  switch (f) {
    case Binary::Add:
      return visit(Add{});
    case Binary::Sub:
      return visit(Sub{});
    case Binary::Mul:
      return visit(Mul{});
    case Binary::Div:
      return visit(Div{});
    case Binary::Maximum:
      return visit(Maximum{});
    case Binary::Minimum:
      return visit(Minimum{});
    case Binary::Pow:
      return visit(Pow{});
    case Binary::LogisticLoss:
      return visit(LogisticLoss{});
  }
}

}  // namespace

template <class T>
void map(Unary f, Constants constants, std::int64_t n, const T* x, T* y) {
  with_unary(
      f, [&](auto functor) { map_as<decltype(functor)>(constants, n, x, y); });
}

template <class T>
void map_gradient(Unary f, Constants constants, std::int64_t n, const T* saved,
                  const T* dy, T* dx) {
  with_unary(f, [&](auto functor) {
    gradient_as<decltype(functor)>(constants, n, saved, dy, dx);
  });
}

template <class T>
void zip(Binary f, const LoopNest& nest, const T* a, const T* b, T* y) {
  with_binary(f,
              [&](auto functor) { zip_as<decltype(functor)>(nest, a, b, y); });
}

void map_fast(Unary f, Constants constants, std::int64_t n, const float* x,
              float* y) {
  const MapLoop loop = vector_loops().map(f);
  if (loop == nullptr) return map(f, constants, n, x, y);
  parallel_for(n, worthwhile, [&](std::int64_t begin, std::int64_t end) {
    loop(constants, end - begin, x + begin, y + begin);
  });
}

void map_gradient_fast(Unary f, Constants constants, std::int64_t n,
                       const float* saved, const float* dy, float* dx) {
  const MapGradientLoop loop = vector_loops().map_gradient(f);
  if (loop == nullptr) return map_gradient(f, constants, n, saved, dy, dx);
  parallel_for(n, worthwhile, [&](std::int64_t begin, std::int64_t end) {
    loop(constants, end - begin, saved + begin, dy + begin, dx + begin);
  });
}

void zip_fast(Binary f, const LoopNest& nest, const float* a, const float* b,
              float* y) {
  const ZipLoop loop = vector_loops().zip(f);
  const int inner = nest.rank - 1;
  const Steps a_along{0, nest.strides[0][inner]};
  const Steps b_along{0, nest.strides[1][inner]};
  if (loop == nullptr || a_along.column > 1 || b_along.column > 1) {
    return zip(f, nest, a, b, y);
  }
  if (nest.rank == 2 && nest.lengths[0] >= num_threads()) {
    // Whole rows a thread, e.g. a channel's number for each pixel.
    const Steps along_a{nest.strides[0][0], a_along.column};
    const Steps along_b{nest.strides[1][0], b_along.column};
    const std::int64_t columns = nest.lengths[1];
    parallel_for(nest.lengths[0], grain_of(columns),
                 [&](std::int64_t begin, std::int64_t end) {
                   loop(end - begin, columns, a + begin * along_a.row, along_a,
                        b + begin * along_b.row, along_b, y + begin * columns);
                 });
    return;
  }
  walk_parallel(
      nest, [&](std::int64_t out, std::int64_t n, const auto& offsets) {
        loop(1, n, a + offsets[0], a_along, b + offsets[1], b_along, y + out);
      });
}

template <class T>
void greater_equal(const LoopNest& nest, const T* a, const T* b,
                   std::uint8_t* y) {
  const std::int64_t step_a = nest.strides[0][nest.rank - 1];
  const std::int64_t step_b = nest.strides[1][nest.rank - 1];
  walk_parallel(nest,
                [&](std::int64_t out, std::int64_t n, const auto& offsets) {
                  const T* ra = a + offsets[0];
                  const T* rb = b + offsets[1];
                  std::uint8_t* to = y + out;
                  if (step_a == 1 && step_b == 1) {
                    for (std::int64_t i = 0; i < n; ++i) to[i] = ra[i] >= rb[i];
                    return;
                  }
                  for (std::int64_t i = 0; i < n; ++i) {
                    to[i] = ra[i * step_a] >= rb[i * step_b];
                  }
                });
}

template <class T>
void where(const LoopNest& nest, const std::uint8_t* condition, const T* a,
           const T* b, T* y) {
  const std::int64_t step_c = nest.strides[0][nest.rank - 1];
  const std::int64_t step_a = nest.strides[1][nest.rank - 1];
  const std::int64_t step_b = nest.strides[2][nest.rank - 1];
  walk_parallel(
      nest, [&](std::int64_t out, std::int64_t n, const auto& offsets) {
        const std::uint8_t* rc = condition + offsets[0];
        const T* ra = a + offsets[1];
        const T* rb = b + offsets[2];
        T* to = y + out;
        if (step_c == 1 && step_a == 1 && step_b == 1) {
          for (std::int64_t i = 0; i < n; ++i) {
            const T first = ra[i], second = rb[i];
            to[i] = rc[i] != 0 ? first : second;
          }
          return;
        }
        for (std::int64_t i = 0; i < n; ++i) {
          to[i] = rc[i * step_c] != 0 ? ra[i * step_a] : rb[i * step_b];
        }
      });
}

#define MJOLNIR_INSTANTIATE(T)                                         \
  template void map(Unary, Constants, std::int64_t, const T*, T*);     \
  template void map_gradient(Unary, Constants, std::int64_t, const T*, \
                             const T*, T*);                            \
  template void zip(Binary, const LoopNest&, const T*, const T*, T*);  \
  template void greater_equal(const LoopNest&, const T*, const T*,     \
                              std::uint8_t*);                          \
  template void where(const LoopNest&, const std::uint8_t*, const T*,  \
                      const T*, T*);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels
