#include "core/kernels/index.h"

#include <algorithm>

#include "core/detail/parallel.h"

namespace mjolnir::kernels {
namespace {

constexpr std::int64_t kGrain = 16384;

std::int64_t grain_for(std::int64_t work_each) {
  return std::max<std::int64_t>(1,
                                kGrain / std::max<std::int64_t>(1, work_each));
}

}  // namespace

std::int64_t find_out_of_range(std::int64_t n, const std::int64_t* index,
                               std::int64_t length) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    if (index[i] < 0 || index[i] >= length) return i;
  }
  return -1;
}

template <class T>
void embedding(std::int64_t n, std::int64_t width, const std::int64_t* ids,
               const T* w, T* y) {
  parallel_for(n, grain_for(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::copy_n(w + ids[i] * width, width, y + i * width);
    }
  });
}

template <class T>
void embedding_gradient(std::int64_t n, std::int64_t rows, std::int64_t width,
                        const std::int64_t* ids, const T* dy, T* dw) {
  std::fill_n(dw, rows * width, T(0));
  // A thread owns columns, so that equal ids add up in order.
  parallel_for(width, grain_for(n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 0; i < n; ++i) {
      const T* from = dy + i * width;
      T* to = dw + ids[i] * width;
      for (std::int64_t c = begin; c < end; ++c) to[c] += from[c];
    }
  });
}

template <class T>
void gather(const LoopNest& nest, std::int64_t stride,
            const std::int64_t* index, const T* x, T* y) {
  const std::int64_t step = nest.strides[0][nest.rank - 1];
  parallel_for(nest.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    nest.walk(begin, end,
              [&](std::int64_t out, std::int64_t n, const auto& offsets) {
                const T* from = x + offsets[0];
                for (std::int64_t i = 0; i < n; ++i) {
                  y[out + i] = from[i * step + index[out + i] * stride];
                }
              });
  });
}

template <class T>
void scatter_add(const LoopNest& nest, std::int64_t stride,
                 const std::int64_t* index, const T* x, T* y) {
  const std::int64_t step = nest.strides[0][nest.rank - 1];
  nest.walk(0, nest.numel(),
            [&](std::int64_t out, std::int64_t n, const auto& offsets) {
              T* to = y + offsets[0];
              for (std::int64_t i = 0; i < n; ++i) {
                to[i * step + index[out + i] * stride] += x[out + i];
              }
            });
}

#define MJOLNIR_INSTANTIATE(T)                                               \
  template void embedding(std::int64_t, std::int64_t, const std::int64_t*,   \
                          const T*, T*);                                     \
  template void embedding_gradient(std::int64_t, std::int64_t, std::int64_t, \
                                   const std::int64_t*, const T*, T*);       \
  template void gather(const LoopNest&, std::int64_t, const std::int64_t*,   \
                       const T*, T*);                                        \
  template void scatter_add(const LoopNest&, std::int64_t,                   \
                            const std::int64_t*, const T*, T*);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels
