#include "core/kernels/pool.h"

#include <algorithm>
#include <cmath>

#include "core/detail/parallel.h"
#include "core/detail/per_thread.h"

namespace mjolnir::kernels {
namespace {

// Images are shared out to threads, a few at a time if they are small.
std::int64_t image_grain(std::int64_t elements) {
  return std::max<std::int64_t>(
      1, (1 << 14) / std::max<std::int64_t>(elements, 1));
}

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

}  // namespace

template <class T>
void max_pool_forward(const ConvSizes& s, const T* x, T* y,
                      std::int64_t* index) {
  const std::int64_t C = s.in_channels;
  const std::int64_t image = s.in_h * s.in_w * C;
  parallel_for(s.batch, image_grain(image),
               [&](std::int64_t n0, std::int64_t n1) {
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
  parallel_for(s.batch, image_grain(image),
               [=](std::int64_t n0, std::int64_t n1) {
                 std::fill(dx + n0 * image, dx + n1 * image, T(0));
                 for (std::int64_t i = n0 * windows; i < n1 * windows; ++i) {
                   dx[index[i]] += dy[i];
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
  const std::int64_t image = s.in_h * s.in_w * C;
  const T share = T(1) / static_cast<T>(s.window.kernel_h * s.window.kernel_w);
  parallel_for(
      s.batch, image_grain(image), [&](std::int64_t n0, std::int64_t n1) {
        for (std::int64_t n = n0; n < n1; ++n) {
          for_each_window(
              s, n, [&](std::int64_t out) { std::fill_n(y + out, C, T(0)); },
              [&](std::int64_t out, std::int64_t in) {
                for (std::int64_t c = 0; c < C; ++c) y[out + c] += x[in + c];
              },
              [&](std::int64_t out) {
                for (std::int64_t c = 0; c < C; ++c) y[out + c] *= share;
              });
        }
      });
}

template <class T>
void avg_pool_backward(const ConvSizes& s, const T* dy, T* dx) {
  const std::int64_t C = s.in_channels;
  const std::int64_t image = s.in_h * s.in_w * C;
  const T share = T(1) / static_cast<T>(s.window.kernel_h * s.window.kernel_w);
  parallel_for(s.batch, image_grain(image),
               [&](std::int64_t n0, std::int64_t n1) {
                 std::fill(dx + n0 * image, dx + n1 * image, T(0));
                 for (std::int64_t n = n0; n < n1; ++n) {
                   for_each_window(
                       s, n, [](std::int64_t) {},
                       [&](std::int64_t out, std::int64_t in) {
                         for (std::int64_t c = 0; c < C; ++c) {
                           dx[in + c] += dy[out + c] * share;
                         }
                       },
                       [](std::int64_t) {});
                 }
               });
}

template <class T>
void global_avg_pool_forward(std::int64_t batch, std::int64_t positions,
                             std::int64_t channels, const T* x, T* y) {
  const std::int64_t grain = image_grain(positions * channels);
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
  parallel_for(batch, image_grain(positions * channels),
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
