#include "core/kernels/gram.h"

#include <algorithm>
#include <vector>

#include "core/detail/parallel.h"
#include "core/kernels/gemm.h"

namespace mjolnir::kernels {
namespace {

// Columns of a block of the upper triangle: below two of them the whole
// square in one product is faster.
constexpr std::int64_t gram_block = 192;
constexpr std::int64_t grain = 1 << 14;

// How many window positions cover each pixel along one axis.
std::vector<std::int64_t> cover(std::int64_t length, std::int64_t positions,
                                std::int64_t kernel, std::int64_t stride,
                                std::int64_t pad, std::int64_t dilation) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(length), 0);
  for (std::int64_t p = 0; p < positions; ++p)
    for (std::int64_t k = 0; k < kernel; ++k) {
      const std::int64_t at = p * stride - pad + k * dilation;
      if (at >= 0 && at < length) ++counts[static_cast<std::size_t>(at)];
    }
  return counts;
}

template <class T>
double row_energy(std::int64_t n, const T* x) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += double(x[i]) * double(x[i]);
  return sum;
}

// Sum of f(i) over [0, n): fixed pieces, so that the thread count does not
// change the result.
template <class F>
double ordered_sum(std::int64_t n, std::int64_t work, F&& f) {
  std::vector<double> parts(static_cast<std::size_t>(n));
  parallel_for(
      n, std::max<std::int64_t>(1, grain / std::max<std::int64_t>(work, 1)),
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i)
          parts[static_cast<std::size_t>(i)] = f(i);
      });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

}  // namespace

template <class T>
void add_gram_upper(std::int64_t rows, std::int64_t d, const T* x, T* s) {
  for (std::int64_t i = 0; i < d; i += gram_block) {
    const std::int64_t left = d - i;
    const std::int64_t m = left < 2 * gram_block ? left : gram_block;
    // s[i:i+m, i:] (m,left) += x[:, i:i+m]^T (m,rows) * x[:, i:] (rows,left)
    gemm<T>(true, false, m, left, rows, T(1), x + i, d, x + i, d, T(1),
            s + i * d + i, d);
    if (m == left) return;
  }
}

template <class T>
void mirror_upper(std::int64_t d, T* s) {
  constexpr std::int64_t tile = 32;
  parallel_for((d + tile - 1) / tile,
               std::max<std::int64_t>(1, grain / (tile * d)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t b = begin; b < end; ++b)
                   for (std::int64_t c = b; c * tile < d; ++c)
                     for (std::int64_t j = c * tile;
                          j < std::min(d, (c + 1) * tile); ++j)
                       for (std::int64_t i = b * tile;
                            i < std::min({d, (b + 1) * tile, j}); ++i)
                         s[j * d + i] = s[i * d + j];
               });
}

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
  const std::vector<std::int64_t> rows =
      cover(height, window.out_h(height), window.kernel_h, window.stride_h,
            window.pad_top, window.dilation_h);
  const std::vector<std::int64_t> columns =
      cover(width, window.out_w(width), window.kernel_w, window.stride_w,
            window.pad_left, window.dilation_w);
  return ordered_sum(batch * height, width * channels, [&](std::int64_t row) {
    const T* pixels = x + row * width * channels;
    double sum = 0;
    for (std::int64_t w = 0; w < width; ++w)
      sum += double(columns[static_cast<std::size_t>(w)]) *
             row_energy(channels, pixels + w * channels);
    return sum * double(rows[static_cast<std::size_t>(row % height)]);
  });
}

template <class T>
void mean_rows(std::int64_t rows, std::int64_t columns, const T* x, T* y) {
  parallel_for(
      columns,
      std::max<std::int64_t>(1, grain / std::max<std::int64_t>(rows, 1)),
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

#define MJOLNIR_GRAM(T)                                                        \
  template void add_gram_upper(std::int64_t, std::int64_t, const T*, T*);      \
  template void mirror_upper(std::int64_t, T*);                                \
  template double sum_of_squares(std::int64_t, const T*);                      \
  template double patch_energy(std::int64_t, std::int64_t, std::int64_t,       \
                               std::int64_t, const Conv2dGeometry&, const T*); \
  template void mean_rows(std::int64_t, std::int64_t, const T*, T*);           \
  template bool count_ids(std::int64_t, const std::int64_t*, std::int64_t, T*)
MJOLNIR_GRAM(float);
MJOLNIR_GRAM(double);
#undef MJOLNIR_GRAM

}  // namespace mjolnir::kernels
