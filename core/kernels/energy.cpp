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

// sum of x[i]^2 in interleaved sums, which run side by side: enough of them to
// wait for memory alone.
template <class T>
double row_energy(std::int64_t n, const T* x) {
  constexpr std::int64_t lanes = 32;
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

// out[c] = sum over rows r of term(r, x[r, c]), in double; fixed pieces, added
// in order. x (rows, columns), out (columns)
template <class T, class Term>
void sum_pixels(std::int64_t rows, std::int64_t columns, const T* x,
                double* out, Term term) {
  const std::int64_t pieces = std::clamp<std::int64_t>(
      rows * columns / (2 * worthwhile), 1,
      std::min<std::int64_t>(16, std::max<std::int64_t>(rows, 1)));
  const Scratch<double> parts(pieces * columns);
  parallel_for(pieces, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      double* sums = parts.data() + p * columns;
      std::fill_n(sums, columns, 0.0);
      for (std::int64_t r = rows * p / pieces; r < rows * (p + 1) / pieces; ++r)
        for (std::int64_t c = 0; c < columns; ++c)
          sums[c] += term(r, double(x[r * columns + c]));
    }
  });
  std::fill_n(out, columns, 0.0);
  for (std::int64_t p = 0; p < pieces; ++p)
    for (std::int64_t c = 0; c < columns; ++c) out[c] += parts[p * columns + c];
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
    for (std::int64_t w = 0, next = 0; w < width; w = next) {
      // Neighbours that are covered as often come in one piece.
      for (next = w + 1; next < width && columns[next] == columns[w];) ++next;
      sum += double(columns[w]) *
             row_energy((next - w) * channels, pixels + w * channels);
    }
    return sum * double(rows[row % height]);
  });
}

template <class T>
void patch_energies(std::int64_t batch, std::int64_t height, std::int64_t width,
                    std::int64_t channels, const Conv2dGeometry& window,
                    const T* x, double* sums) {
  const Scratch<std::int64_t> rows(height), columns(width);
  cover(height, window.out_h(height), window.kernel_h, window.stride_h,
        window.pad_top, window.dilation_h, rows.data());
  cover(width, window.out_w(width), window.kernel_w, window.stride_w,
        window.pad_left, window.dilation_w, columns.data());
  const Scratch<double> totals(channels);
  sum_pixels(batch * height * width, channels, x, totals.data(),
             [&](std::int64_t pixel, double value) {
               const std::int64_t row = pixel / width % height;
               return double(rows[row] * columns[pixel % width]) * value *
                      value;
             });
  const std::int64_t each = channels / window.groups;
  for (std::int64_t c = 0; c < channels; ++c) sums[c / each] += totals[c];
}

template <class T>
void add_patch_sums(std::int64_t batch, std::int64_t height, std::int64_t width,
                    std::int64_t channels, const Conv2dGeometry& window,
                    const T* x, T* sums) {
  const std::int64_t pixels = height * width;
  // image (height, width, channels): the sum over the batch.
  const Scratch<double> image(pixels * channels);
  sum_pixels(batch, pixels * channels, x, image.data(),
             [](std::int64_t, double value) { return value; });
  const std::int64_t each = channels / window.groups;
  for (std::int64_t c = 0; c < channels; ++c) {
    T* to = sums + c / each * window.kernel_h * window.kernel_w * each;
    for (std::int64_t i = 0; i < window.kernel_h; ++i) {
      for (std::int64_t j = 0; j < window.kernel_w; ++j) {
        double sum = 0;
        for (std::int64_t p = 0; p < window.out_h(height); ++p) {
          const std::int64_t h =
              p * window.stride_h - window.pad_top + i * window.dilation_h;
          if (h < 0 || h >= height) continue;
          for (std::int64_t q = 0; q < window.out_w(width); ++q) {
            const std::int64_t w =
                q * window.stride_w - window.pad_left + j * window.dilation_w;
            if (w >= 0 && w < width)
              sum += image[(h * width + w) * channels + c];
          }
        }
        to[(i * window.kernel_w + j) * each + c % each] += T(sum);
      }
    }
  }
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
  template void patch_energies(std::int64_t, std::int64_t, std::int64_t,       \
                               std::int64_t, const Conv2dGeometry&, const T*,  \
                               double*);                                       \
  template void add_patch_sums(std::int64_t, std::int64_t, std::int64_t,       \
                               std::int64_t, const Conv2dGeometry&, const T*,  \
                               T*);                                            \
  template void mean_rows(std::int64_t, std::int64_t, const T*, T*);           \
  template bool count_ids(std::int64_t, const std::int64_t*, std::int64_t, T*)
MJOLNIR_ENERGY(float);
MJOLNIR_ENERGY(double);
#undef MJOLNIR_ENERGY

}  // namespace mjolnir::kernels
