#include "core/kernels/index.h"

#include <algorithm>
#include <numeric>

#include "core/detail/parallel.h"
#include "core/detail/scratch.h"
#include "core/kernels/columns.h"
#include "core/kernels/grain.h"

namespace mjolnir::kernels {
namespace {

template <class T, class Sum>
void scatter(const LoopNest& nest, std::int64_t stride,
             const std::int64_t* index, const T* x, Sum* y) {
  const std::int64_t step = nest.strides[0][nest.rank - 1];
  nest.walk(0, nest.numel(),
            [&](std::int64_t out, std::int64_t n, const auto& offsets) {
              Sum* to = y + offsets[0];
              for (std::int64_t i = 0; i < n; ++i) {
                to[i * step + index[out + i] * stride] += x[out + i];
              }
            });
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
  parallel_for(n, grain_of(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::copy_n(w + ids[i] * width, width, y + i * width);
    }
  });
}

template <class T>
void embedding_gradient(std::int64_t n, std::int64_t rows, std::int64_t width,
                        const std::int64_t* ids, const T* dy, T* dw) {
  // The places of each id, in order: places[ends[r - 1]..ends[r]) hold r.
  const Scratch<std::int64_t> ends(rows), places(n);
  std::fill_n(ends.data(), rows, 0);
  for (std::int64_t i = 0; i < n; ++i) ++ends[ids[i]];
  std::partial_sum(ends.data(), ends.data() + rows, ends.data());
  for (std::int64_t i = n; i-- > 0;) places[--ends[ids[i]]] = i;
  // `ends` now holds the beginnings.
  const std::int64_t panels = (width + wide_panel - 1) / wide_panel;
  const std::int64_t items = rows * panels;
  parallel_for(items, grain_of_shares(items, (n + rows) * width),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t item = begin; item < end; ++item) {
                   const std::int64_t r = item / panels;
                   const std::int64_t first = item % panels * wide_panel;
                   const std::int64_t columns =
                       std::min(wide_panel, width - first);
                   const std::int64_t stop = r + 1 < rows ? ends[r + 1] : n;
                   double sum[wide_panel] = {};
                   for (std::int64_t p = ends[r]; p < stop; ++p) {
                     const T* const from = dy + places[p] * width + first;
                     for (std::int64_t c = 0; c < columns; ++c)
                       sum[c] += from[c];
                   }
                   T* const to = dw + r * width + first;
                   for (std::int64_t c = 0; c < columns; ++c) {
                     to[c] = static_cast<T>(sum[c]);
                   }
                 }
               });
}

template <class T>
void gather(const LoopNest& nest, std::int64_t stride,
            const std::int64_t* index, const T* x, T* y) {
  const std::int64_t step = nest.strides[0][nest.rank - 1];
  parallel_for(
      nest.numel(), worthwhile, [&](std::int64_t begin, std::int64_t end) {
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
void scatter_add(const LoopNest& nest, std::int64_t stride, std::int64_t most,
                 const std::int64_t* index, const T* x, std::int64_t size,
                 T* y) {
  if (most <= panel_rows) return scatter(nest, stride, index, x, y);
  const Scratch<double> sums(size);
  std::copy_n(y, size, sums.data());
  scatter(nest, stride, index, x, sums.data());
  for (std::int64_t i = 0; i < size; ++i) y[i] = static_cast<T>(sums[i]);
}

#define MJOLNIR_INSTANTIATE(T)                                               \
  template void embedding(std::int64_t, std::int64_t, const std::int64_t*,   \
                          const T*, T*);                                     \
  template void embedding_gradient(std::int64_t, std::int64_t, std::int64_t, \
                                   const std::int64_t*, const T*, T*);       \
  template void gather(const LoopNest&, std::int64_t, const std::int64_t*,   \
                       const T*, T*);                                        \
  template void scatter_add(const LoopNest&, std::int64_t, std::int64_t,     \
                            const std::int64_t*, const T*, std::int64_t, T*);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels
