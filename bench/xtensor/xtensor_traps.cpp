// What docs/xtensor.md claims, measured: each line runs one operation as an
// xtensor expression and as a plain loop over the same memory, one thread,
// the best of several rounds, and prints how many times longer xtensor takes.
// The last lines are results that a kernel must not have. Build with
// -DMJOLNIR_BENCH=ON and run build/bench/xtensor_traps.

#define XTENSOR_USE_XSIMD

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <string>
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xmanipulation.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xpad.hpp>
#include <xtensor/xrandom.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>

#include "bench/clock.h"

namespace {

using Array2 = xt::xtensor<float, 2>;
using Array4 = xt::xtensor<float, 4>;

double best(const std::function<void()>& f) {
  double least = std::numeric_limits<double>::infinity();
  for (int round = 0; round < 15; ++round) {
    least = std::min(least, bench::seconds(f));
  }
  return least;
}

// Runs both; says so if their results differ.
template <class A>
void compare(const char* name, A& by_xtensor, const std::function<void()>& f,
             A& by_loop, const std::function<void()>& g) {
  const double slow = best(f);
  const double fast = best(g);
  float worst = 0;
  for (std::size_t i = 0; i < by_loop.size(); ++i) {
    const float difference = std::abs(by_xtensor.flat(i) - by_loop.flat(i));
    worst = std::max(worst, difference / (1 + std::abs(by_loop.flat(i))));
  }
  std::printf("%-44s %7.2f x%s\n", name, slow / fast,
              worst > 1e-4f ? "  (results differ)" : "");
}

void elementwise() {
  const Array2 a = xt::random::rand<float>({256, 4096});
  const Array2 b = xt::random::rand<float>({256, 4096});
  Array2 y = xt::zeros<float>({256, 4096});
  Array2 z = y;
  const std::size_t n = a.size();
  const std::array<std::size_t, 1> shape = {n};
  compare(
      "a * b + a, adapted pointers, noalias", y,
      [&] {
        const auto u = xt::adapt(a.data(), n, xt::no_ownership(), shape);
        const auto v = xt::adapt(b.data(), n, xt::no_ownership(), shape);
        auto w = xt::adapt(y.data(), n, xt::no_ownership(), shape);
        xt::noalias(w) = u * v + u;
      },
      z,
      [&] {
        const float* u = a.data();
        const float* v = b.data();
        float* w = z.data();
        for (std::size_t i = 0; i < n; ++i) w[i] = u[i] * v[i] + u[i];
      });
  compare(
      "exp(a), adapted pointers, xsimd", y,
      [&] {
        const auto u = xt::adapt(a.data(), n, xt::no_ownership(), shape);
        auto w = xt::adapt(y.data(), n, xt::no_ownership(), shape);
        xt::noalias(w) = xt::exp(u);
      },
      z,
      [&] {
        for (std::size_t i = 0; i < n; ++i) z.data()[i] = std::exp(a.data()[i]);
      });
}

void broadcasting() {
  const Array2 a = xt::random::rand<float>({16384, 64});
  const xt::xtensor<float, 1> bias = xt::random::rand<float>({64});
  Array2 y = xt::zeros<float>({16384, 64});
  Array2 z = y;
  compare(
      "a (N,64) + bias (64)", y, [&] { xt::noalias(y) = a + bias; }, z,
      [&] {
        for (std::size_t i = 0; i < 16384; ++i) {
          const float* u = a.data() + 64 * i;
          float* w = z.data() + 64 * i;
          for (std::size_t c = 0; c < 64; ++c) w[c] = u[c] + bias.data()[c];
        }
      });
  xt::xtensor<float, 1> s = xt::zeros<float>({64});
  xt::xtensor<float, 1> t = s;
  compare(
      "sum of a (N,64) over N", s, [&] { xt::noalias(s) = xt::sum(a, {0}); }, t,
      [&] {
        std::fill(t.begin(), t.end(), 0.0f);
        for (std::size_t i = 0; i < 16384; ++i) {
          const float* u = a.data() + 64 * i;
          for (std::size_t c = 0; c < 64; ++c) t.data()[c] += u[c];
        }
      });
}

void moving() {
  const Array4 x = xt::random::rand<float>({32, 16, 32, 32});
  const xt::xtensor<float, 3> bias = xt::random::rand<float>({16, 1, 1});
  Array4 u = xt::zeros<float>({32, 16, 32, 32});
  Array4 v = u;
  compare(
      "a (N,16,32,32) + bias (16,1,1)", u, [&] { xt::noalias(u) = x + bias; },
      v,
      [&] {
        for (std::size_t i = 0; i < 512; ++i) {
          const float b = bias.data()[i % 16];
          for (std::size_t p = 0; p < 1024; ++p) {
            v.data()[i * 1024 + p] = x.data()[i * 1024 + p] + b;
          }
        }
      });
  Array4 y = xt::zeros<float>({32, 32, 32, 16});
  Array4 z = y;
  compare(
      "(N,C,H,W) to (N,H,W,C)", y,
      [&] {
        xt::noalias(y) = xt::transpose(x, {0, 2, 3, 1});
      },
      z,
      [&] {
        for (std::size_t i = 0; i < 32; ++i) {
          for (std::size_t p = 0; p < 1024; ++p) {
            for (std::size_t c = 0; c < 16; ++c) {
              z.data()[(i * 1024 + p) * 16 + c] =
                  x.data()[(i * 16 + c) * 1024 + p];
            }
          }
        }
      });
  Array4 p = xt::zeros<float>({32, 16, 34, 34});
  Array4 q = p;
  compare(
      "zero padding by 1", p,
      [&] {
        p = xt::pad(x, {{0, 0}, {0, 0}, {1, 1}, {1, 1}});
      },
      q,
      [&] {
        std::fill(q.begin(), q.end(), 0.0f);
        for (std::size_t i = 0; i < 512; ++i) {
          for (std::size_t h = 0; h < 32; ++h) {
            std::copy_n(x.data() + (i * 32 + h) * 32, 32,
                        q.data() + (i * 34 + h + 1) * 34 + 1);
          }
        }
      });
  Array4 j = xt::zeros<float>({64, 16, 32, 32});
  Array4 k = j;
  compare(
      "concatenate two arrays along axis 0", j,
      [&] { xt::noalias(j) = xt::concatenate(xt::xtuple(x, x), 0); }, k,
      [&] {
        std::copy_n(x.data(), x.size(), k.data());
        std::copy_n(x.data(), x.size(), k.data() + x.size());
      });
}

void wrong_numbers() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const xt::xtensor<float, 1> with_nan = {1, nan, 3};
  const xt::xtensor<float, 1> relu = xt::maximum(with_nan, 0.0f);
  std::printf("maximum({1, NaN, 3}, 0) is {%g, %g, %g}\n", relu(0), relu(1),
              relu(2));
  std::printf("amax({1, NaN, 3}) is %g\n",
              static_cast<double>(xt::amax(with_nan)()));
  const xt::xtensor<float, 1> tenths = 0.1f * xt::ones<float>({20000000});
  std::printf("sum of 20,000,000 times 0.1 is %.0f\n",
              static_cast<double>(xt::sum(tenths)()));
}

}  // namespace

int main() {
  std::printf("%-44s %9s\n", "operation", "xtensor");
  elementwise();
  broadcasting();
  moving();
  wrong_numbers();
  return 0;
}
