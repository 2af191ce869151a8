#include "core/kernels/energy.h"

#include <algorithm>

#include "core/detail/parallel.h"
#include "core/detail/scratch.h"
#include "core/kernels/grain.h"

namespace mjolnir::kernels {
namespace {

// counts (length): how many window positions cover each pixel along one axis.
void cover(std::int64_t length, std::int64_t positions, std::int64_t kernel,
           std::int64_t stride, std::int64_t pad, std::int64_t dilation,
           std::int64_t* counts) {
  std::fill_n(counts, length, 0);
  for (std::int64_t p = 0; p < positions; ++p)
    for (std::int64_t k = 0; k < kernel; ++k) {
      const std::int64_t at = p * stride - pad + k * dilation;
      if (at >= 0 && at < length) ++counts[at];
    }
}

// sum of x[i]^2 in eight interleaved sums, which run side by side.
template <class T>
double row_energy(std::int64_t n, const T* x) {
  constexpr std::int64_t lanes = 8;
  double sums[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (std::int64_t l = 0; l < lanes; ++l)
      sums[l] += double(x[i + l]) * double(x[i + l]);
  double sum = 0;
  for (; i < n; ++i) sum += double(x[i]) * double(x[i]);
  for (const double part : sums) sum += part;
  return sum;
}

// Sum of f(i) over [0, n): fixed pieces, so that the thread count does not
// change the result.
template <class F>
double ordered_sum(std::int64_t n, std::int64_t work, F&& f) {
  const Scratch<double> parts(n);
  parallel_for(n, grain_of(work), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) parts[i] = f(i);
  });
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += parts[i];
  return sum;
}

}  // namespace

template <class T>
double sum_of_squares(std::int64_t n, const T* x) {
  constexpr std::int64_t piece = 4096;
  return ordered_sum((n + piece - 1) / piece, piece, [&](std::int64_t p) {
    return row_energy(std::min(piece, n - p * piece), x + p * piece);
  });
}

template <class T>
double patch_energy(std::int64_t batch, std::int64_t height, std::int64_t width,
                    std::int64_t channels, const Conv2dGeometry& window,
                    const T* x) {
  const Scratch<std::int64_t> rows(height), columns(width);
  cover(height, window.out_h(height), window.kernel_h, window.stride_h,
        window.pad_top, window.dilation_h, rows.data());
  cover(width, window.out_w(width), window.kernel_w, window.stride_w,
        window.pad_left, window.dilation_w, columns.data());
  return ordered_sum(batch * height, width * channels, [&](std::int64_t row) {
    const T* pixels = x + row * width * channels;
    double sum = 0;
    for (std::int64_t w = 0; w < width; ++w)
      sum += double(columns[w]) * row_energy(channels, pixels + w * channels);
    return sum * double(rows[row % height]);
  });
}

template <class T>
void mean_rows(std::int64_t rows, std::int64_t columns, const T* x, T* y) {
  parallel_for(columns, grain_of(rows),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t j = begin; j < end; ++j) {
                   double sum = 0;
                   for (std::int64_t i = 0; i < rows; ++i)
                     sum += double(x[i * columns + j]);
                   y[j] = T(sum / double(rows));
                 }
               });
}

template <class T>
bool count_ids(std::int64_t n, const std::int64_t* ids, std::int64_t classes,
               T* counts) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (ids[i] < 0 || ids[i] >= classes) return false;
    counts[ids[i]] += T(1);
  }
  return true;
}

#define MJOLNIR_ENERGY(T)                                                      \
  template double sum_of_squares(std::int64_t, const T*);                      \
  template double patch_energy(std::int64_t, std::int64_t, std::int64_t,       \
                               std::int64_t, const Conv2dGeometry&, const T*); \
  template void mean_rows(std::int64_t, std::int64_t, const T*, T*);           \
  template bool count_ids(std::int64_t, const std::int64_t*, std::int64_t, T*)
MJOLNIR_ENERGY(float);
MJOLNIR_ENERGY(double);
#undef MJOLNIR_ENERGY

}  // namespace mjolnir::kernels
