#include "core/kernels/pool.h"

#include <algorithm>

#include "core/detail/parallel.h"
#include "core/detail/per_thread.h"
#include "core/kernels/columns.h"
#include "core/kernels/grain.h"

namespace mjolnir::kernels {
namespace {

// Calls start(out) for each window and then cell(out, in) for its cells
// inside the image, in reading order; out and in are where their C channels
// begin in y and x.
template <class Start, class Cell, class Finish>
void for_each_window(const ConvSizes& s, std::int64_t n, Start start, Cell cell,
                     Finish finish) {
  const Conv2dGeometry& g = s.window;
  std::int64_t out = n * s.out_h() * s.out_w() * s.in_channels;
  for (std::int64_t h = 0; h < s.out_h(); ++h) {
    for (std::int64_t w = 0; w < s.out_w(); ++w) {
      start(out);
      for (std::int64_t i = 0; i < g.kernel_h; ++i) {
        const std::int64_t row = h * g.stride_h - g.pad_top + i * g.dilation_h;
        if (row < 0 || row >= s.in_h) continue;
        for (std::int64_t j = 0; j < g.kernel_w; ++j) {
          const std::int64_t column =
              w * g.stride_w - g.pad_left + j * g.dilation_w;
          if (column < 0 || column >= s.in_w) continue;
          cell(out, ((n * s.in_h + row) * s.in_w + column) * s.in_channels);
        }
      }
      finish(out);
      out += s.in_channels;
    }
  }
}

// True if each of the windows along one axis has a cell inside the image.
bool each_has_a_cell(std::int64_t windows, std::int64_t stride,
                     std::int64_t pad, std::int64_t dilation,
                     std::int64_t kernel, std::int64_t length) {
  for (std::int64_t i = 0; i < windows; ++i) {
    const std::int64_t start = i * stride - pad;
    // the first cell at or after 0
    const std::int64_t skipped =
        start < 0 ? (-start + dilation - 1) / dilation : 0;
    if (skipped >= kernel || start + skipped * dilation >= length) return false;
  }
  return true;
}

// dx = what add(n, sums) adds to each image n, whose first element in dx is
// sums[0]: in T where few windows share a cell, else in double.
template <class T, class Add>
void sum_images(const ConvSizes& s, T* dx, Add add) {
  const Conv2dGeometry& g = s.window;
  const std::int64_t image = s.in_h * s.in_w * s.in_channels;
  const auto windows_of_a_cell = [](std::int64_t kernel, std::int64_t stride,
                                    std::int64_t dilation) {
    return dilation > 1 ? kernel : (kernel + stride - 1) / stride;
  };
  const bool few =
      windows_of_a_cell(g.kernel_h, g.stride_h, g.dilation_h) *
          windows_of_a_cell(g.kernel_w, g.stride_w, g.dilation_w) <=
      panel_rows;
  const PerThread<double> rooms(s.batch, grain_of(image), few ? 0 : image);
  parallel_for(s.batch, grain_of(image), [&](std::int64_t n0, std::int64_t n1) {
    for (std::int64_t n = n0; n < n1; ++n) {
      T* const out = dx + n * image;
      if (few) {
        std::fill_n(out, image, T(0));
        add(n, out);
        continue;
      }
      double* const sums = rooms.mine();
      std::fill_n(sums, image, 0.0);
      add(n, sums);
      for (std::int64_t i = 0; i < image; ++i) out[i] = static_cast<T>(sums[i]);
    }
  });
}

}  // namespace

bool every_window_has_a_cell(const ConvSizes& s) {
  const Conv2dGeometry& g = s.window;
  return each_has_a_cell(s.out_h(), g.stride_h, g.pad_top, g.dilation_h,
                         g.kernel_h, s.in_h) &&
         each_has_a_cell(s.out_w(), g.stride_w, g.pad_left, g.dilation_w,
                         g.kernel_w, s.in_w);
}

template <class T>
void max_pool_forward(const ConvSizes& s, const T* x, T* y,
                      std::int64_t* index) {
  const std::int64_t C = s.in_channels;
  const std::int64_t image = s.in_h * s.in_w * C;
  parallel_for(s.batch, grain_of(image), [&](std::int64_t n0, std::int64_t n1) {
    for (std::int64_t n = n0; n < n1; ++n) {
      bool first = true;
      for_each_window(
          s, n, [&](std::int64_t) { first = true; },
          [&](std::int64_t out, std::int64_t in) {
            if (first) {
              first = false;
              for (std::int64_t c = 0; c < C; ++c) {
                y[out + c] = x[in + c];
                index[out + c] = in + c;
              }
              return;
            }
            for (std::int64_t c = 0; c < C; ++c) {
              const T value = x[in + c], best = y[out + c];
              // the first NaN wins and stays
              const bool wins =
                  value > best || (value != value && best == best);
              y[out + c] = wins ? value : best;
              index[out + c] = wins ? in + c : index[out + c];
            }
          },
          [](std::int64_t) {});
    }
  });
}

template <class T>
void max_pool_backward(const ConvSizes& s, const T* dy,
                       const std::int64_t* index, T* dx) {
  const std::int64_t image = s.in_h * s.in_w * s.in_channels;
  const std::int64_t windows = s.out_h() * s.out_w() * s.in_channels;
  sum_images(s, dx, [=](std::int64_t n, auto* sums) {
    for (std::int64_t i = n * windows; i < (n + 1) * windows; ++i) {
      sums[index[i] - n * image] += dy[i];
    }
  });
}

template <class T>
void gather_elements(std::int64_t count, const T* x, const std::int64_t* index,
                     T* y) {
  parallel_for(count, 1 << 14, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = x[index[i]];
  });
}

template <class T>
void avg_pool_forward(const ConvSizes& s, const T* x, T* y) {
  const std::int64_t C = s.in_channels;
  const std::int64_t grain = grain_of(s.in_h * s.in_w * C);
  const std::int64_t cells = s.window.kernel_h * s.window.kernel_w;
  const T share = T(1) / static_cast<T>(cells);
  // y holds the sum of up to panel_rows cells, `total` that of the rest.
  const bool few = cells <= panel_rows;
  const PerThread<double> rooms(s.batch, grain, few ? 0 : C);
  parallel_for(s.batch, grain, [&](std::int64_t n0, std::int64_t n1) {
    double* const total = rooms.mine();
    std::int64_t count = 0;
    for (std::int64_t n = n0; n < n1; ++n) {
      for_each_window(
          s, n,
          [&](std::int64_t out) {
            std::fill_n(y + out, C, T(0));
            if (!few) std::fill_n(total, C, 0.0);
            count = 0;
          },
          [&](std::int64_t out, std::int64_t in) {
            if (count == panel_rows) {
              for (std::int64_t c = 0; c < C; ++c) total[c] += y[out + c];
              std::fill_n(y + out, C, T(0));
              count = 0;
            }
            for (std::int64_t c = 0; c < C; ++c) y[out + c] += x[in + c];
            ++count;
          },
          [&](std::int64_t out) {
            if (few) {
              for (std::int64_t c = 0; c < C; ++c) y[out + c] *= share;
              return;
            }
            for (std::int64_t c = 0; c < C; ++c) {
              y[out + c] =
                  static_cast<T>((total[c] + y[out + c]) / double(cells));
            }
          });
    }
  });
}

template <class T>
void avg_pool_backward(const ConvSizes& s, const T* dy, T* dx) {
  const std::int64_t C = s.in_channels;
  const std::int64_t image = s.in_h * s.in_w * C;
  const T share = T(1) / static_cast<T>(s.window.kernel_h * s.window.kernel_w);
  sum_images(s, dx, [&](std::int64_t n, auto* sums) {
    for_each_window(
        s, n, [](std::int64_t) {},
        [&](std::int64_t out, std::int64_t in) {
          auto* const to = sums + (in - n * image);
          for (std::int64_t c = 0; c < C; ++c) to[c] += dy[out + c] * share;
        },
        [](std::int64_t) {});
  });
}

template <class T>
void global_avg_pool_forward(std::int64_t batch, std::int64_t positions,
                             std::int64_t channels, const T* x, T* y) {
  const std::int64_t grain = grain_of(positions * channels);
  const PerThread<double> rooms(batch, grain, channels);
  parallel_for(batch, grain, [&](std::int64_t n0, std::int64_t n1) {
    double* const sum = rooms.mine();
    for (std::int64_t n = n0; n < n1; ++n) {
      std::fill_n(sum, channels, 0.0);
      const T* image = x + n * positions * channels;
      for (std::int64_t p = 0; p < positions; ++p) {
        for (std::int64_t c = 0; c < channels; ++c) {
          sum[c] += double(image[p * channels + c]);
        }
      }
      for (std::int64_t c = 0; c < channels; ++c) {
        y[n * channels + c] = static_cast<T>(sum[c] / double(positions));
      }
    }
  });
}

template <class T>
void global_avg_pool_backward(std::int64_t batch, std::int64_t positions,
                              std::int64_t channels, const T* dy, T* dx) {
  const T share = T(1) / static_cast<T>(positions);
  parallel_for(batch, grain_of(positions * channels),
               [=](std::int64_t n0, std::int64_t n1) {
                 for (std::int64_t n = n0; n < n1; ++n) {
                   T* image = dx + n * positions * channels;
                   for (std::int64_t p = 0; p < positions; ++p) {
                     for (std::int64_t c = 0; c < channels; ++c) {
                       image[p * channels + c] = dy[n * channels + c] * share;
                     }
                   }
                 }
               });
}

#define MJOLNIR_INSTANTIATE(T)                                               \
  template void max_pool_forward(const ConvSizes&, const T*, T*,             \
                                 std::int64_t*);                             \
  template void max_pool_backward(const ConvSizes&, const T*,                \
                                  const std::int64_t*, T*);                  \
  template void gather_elements(std::int64_t, const T*, const std::int64_t*, \
                                T*);                                         \
  template void avg_pool_forward(const ConvSizes&, const T*, T*);            \
  template void avg_pool_backward(const ConvSizes&, const T*, T*);           \
  template void global_avg_pool_forward(std::int64_t, std::int64_t,          \
                                        std::int64_t, const T*, T*);         \
  template void global_avg_pool_backward(std::int64_t, std::int64_t,         \
                                         std::int64_t, const T*, T*);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels
