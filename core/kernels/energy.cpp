#include "core/kernels/energy.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/detail/parallel.h"
#include "core/detail/scratch.h"
#include "core/kernels/columns.h"
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

// Sums of the elements i = l mod lanes: independent of each other, so that an
// addition need not wait for the one before.
constexpr std::int64_t lanes = 16;
using Lanes = std::array<double, lanes>;

// Bytes from what is read to what is asked for: the hardware's own prefetch
// stops at the end of a page, and memory is what this loop waits for.
constexpr std::int64_t ahead = 4096;

// sums[i mod lanes] += times x_i^2, x (n)
template <class T>
void add_squares(std::int64_t n, double times, const T* x, Lanes& sums) {
  Lanes here = sums;
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    __builtin_prefetch(reinterpret_cast<const char*>(x + i) + ahead);
    for (std::int64_t l = 0; l < lanes; ++l) {
      const double value = double(x[i + l]);
      here[std::size_t(l)] += times * value * value;
    }
  }
  for (std::int64_t l = 0; i < n; ++i, ++l) {
    const double value = double(x[i]);
    here[std::size_t(l)] += times * value * value;
  }
  sums = here;
}

double total(Lanes sums) {
  for (std::size_t half = lanes / 2; half > 0; half /= 2)
    for (std::size_t l = 0; l < half; ++l) sums[l] += sums[l + half];
  return sums[0];
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
    const std::int64_t times = rows[row % height];
    Lanes sums{};
    for (std::int64_t w = 0, next = 0; w < width; w = next) {
      // Neighbours that are covered as often come in one piece.
      for (next = w + 1; next < width && columns[next] == columns[w];) ++next;
      // What no window covers is not read.
      if (times * columns[w] == 0) continue;
      add_squares((next - w) * channels, double(times * columns[w]),
                  pixels + w * channels, sums);
    }
    return total(sums);
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
  reduce_columns<1, double>(
      batch * height * width, channels, totals.data(),
      [&](std::int64_t pixel, std::int64_t c) {
        const double value = double(x[pixel * channels + c]);
        const std::int64_t times =
            rows[pixel / width % height] * columns[pixel % width];
        return std::array<double, 1>{double(times) * value * value};
      });
  const std::int64_t each = channels / window.groups;
  for (std::int64_t c = 0; c < channels; ++c) sums[c / each] += totals[c];
}

template <class T>
void add_patch_sums(std::int64_t batch, std::int64_t height, std::int64_t width,
                    std::int64_t channels, const Conv2dGeometry& window,
                    const T* x, T* sums) {
  const std::int64_t numbers = height * width * channels;
  // image (height, width, channels): the sum over the batch.
  const Scratch<double> image(numbers);
  parallel_for(numbers, grain_of(batch),
               [&](std::int64_t begin, std::int64_t end) {
                 std::fill(image.data() + begin, image.data() + end, 0.0);
                 for (std::int64_t n = 0; n < batch; ++n)
                   for (std::int64_t i = begin; i < end; ++i)
                     image[i] += double(x[n * numbers + i]);
               });
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
