#include <cmath>

#include "core/kernels/columns.h"
#include "core/kernels/norm.h"

namespace mjolnir::kernels {
namespace {

// Sums K terms over the columns of a row: lanes of T that the compiler keeps
// in vector registers, emptied into doubles every panel_rows steps.
template <std::size_t K, class T, class Term>
std::array<double, K> sum_row(std::int64_t columns, Term term) {
  constexpr std::int64_t chunk = panel_rows * narrow_panel;
  std::array<double, K> total{};
  for (std::int64_t first = 0; first < columns; first += chunk) {
    T lanes[K][narrow_panel] = {};
    const std::int64_t last = std::min(columns, first + chunk);
    std::int64_t c = first;
    for (; c + narrow_panel <= last; c += narrow_panel) {
      for (std::int64_t lane = 0; lane < narrow_panel; ++lane) {
        const std::array<T, K> value = term(c + lane);
        for (std::size_t k = 0; k < K; ++k) lanes[k][lane] += value[k];
      }
    }
    for (; c < last; ++c) {
      const std::array<T, K> value = term(c);
      for (std::size_t k = 0; k < K; ++k) lanes[k][0] += value[k];
    }
    for (std::size_t k = 0; k < K; ++k) {
      for (const T lane : lanes[k]) total[k] += double(lane);
    }
  }
  return total;
}

}  // namespace

template <class T>
void layer_norm_forward(std::int64_t rows, std::int64_t columns, double epsilon,
                        const T* x, const T* w, const T* b, T* y, T* mean,
                        T* inverse_std) {
  const double count = double(columns);
  parallel_for(rows, grain_of(columns), [=](std::int64_t r0, std::int64_t r1) {
    for (std::int64_t r = r0; r < r1; ++r) {
      const T* const row = x + r * columns;
      const double m = sum_row<1, T>(columns,
                                     [=](std::int64_t c) {
                                       return std::array<T, 1>{row[c]};
                                     })[0] /
                       count;
      const T centre = static_cast<T>(m);
      // centre is m rounded: the deviations still sum to a little.
      const auto sums = sum_row<2, T>(columns, [=](std::int64_t c) {
        const T d = row[c] - centre;
        return std::array<T, 2>{d, d * d};
      });
      const double rest = sums[0] / count;
      const double spread = sums[1] / count - rest * rest;
      const double variance = spread < 0 ? 0 : spread;
      const T s = static_cast<T>(1 / std::sqrt(variance + epsilon));
      mean[r] = centre;
      inverse_std[r] = s;
      T* const out = y + r * columns;
      for (std::int64_t c = 0; c < columns; ++c) {
        out[c] = (row[c] - centre) * s * (w == nullptr ? T(1) : w[c]) +
                 (b == nullptr ? T(0) : b[c]);
      }
    }
  });
}

template <class T>
void layer_norm_backward(std::int64_t rows, std::int64_t columns, const T* x,
                         const T* dy, const T* mean, const T* inverse_std,
                         const T* w, T* dx, T* dw, T* db) {
  if (dw != nullptr || db != nullptr) {
    const Scratch<double> sums(2 * columns);
    reduce_columns<2, T>(
        rows, columns, sums.data(), [=](std::int64_t r, std::int64_t c) {
          const std::int64_t i = r * columns + c;
          return std::array<T, 2>{dy[i],
                                  dy[i] * ((x[i] - mean[r]) * inverse_std[r])};
        });
    for (std::int64_t c = 0; c < columns; ++c) {
      if (db != nullptr) db[c] = static_cast<T>(sums[c]);
      if (dw != nullptr) dw[c] = static_cast<T>(sums[columns + c]);
    }
  }
  if (dx == nullptr) return;
  const double count = double(columns);
  parallel_for(rows, grain_of(columns), [=](std::int64_t r0, std::int64_t r1) {
    for (std::int64_t r = r0; r < r1; ++r) {
      const T* const row = x + r * columns;
      const T* const slope = dy + r * columns;
      const T m = mean[r], s = inverse_std[r];
      const auto g = [=](std::int64_t c) {
        return w == nullptr ? slope[c] : slope[c] * w[c];
      };
      const auto sums = sum_row<2, T>(columns, [=](std::int64_t c) {
        return std::array<T, 2>{g(c), g(c) * ((row[c] - m) * s)};
      });
      const T mean_g = static_cast<T>(sums[0] / count);
      const T mean_gx = static_cast<T>(sums[1] / count);
      T* const out = dx + r * columns;
      for (std::int64_t c = 0; c < columns; ++c) {
        out[c] = s * (g(c) - mean_g - (row[c] - m) * s * mean_gx);
      }
    }
  });
}

#define MJOLNIR_INSTANTIATE(T)                                                \
  template void layer_norm_forward(std::int64_t, std::int64_t, double,        \
                                   const T*, const T*, const T*, T*, T*, T*); \
  template void layer_norm_backward(std::int64_t, std::int64_t, const T*,     \
                                    const T*, const T*, const T*, const T*,   \
                                    T*, T*, T*);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels
