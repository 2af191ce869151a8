#include "layers/detail/sample_gradients.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/elementwise.h>

#include "core/detail/dispatch.h"
#include "core/detail/parallel.h"
#include "core/detail/scratch.h"
#include "core/kernels/gemm.h"
#include "core/kernels/index.h"
#include "core/kernels/patches.h"

namespace mjolnir::detail {
namespace {

constexpr const char* op = "sample_gradients";
constexpr std::int64_t tile_bytes = 1 << 20;  // of a core's second-level cache
constexpr double scratch_bytes = 64 << 20;
constexpr std::int64_t least_work = 1 << 16;  // multiplications a thread

template <class T>
void add_square(std::int64_t n, const T* x, T* sums) {
  for (std::int64_t i = 0; i < n; ++i) sums[i] += x[i] * x[i];
}

// sums (numel) += what add(n, room, to) adds for each sample n to `to` (numel),
// with `room` numbers to work in. Threads share the samples, each with sums of
// its own; where these are too large, or a sample is all there is, the products
// within a sample are what the threads share.
template <class T, class Add>
void add_samples(std::int64_t samples, std::int64_t numel, std::int64_t room,
                 std::int64_t work, Add add, T* sums) {
  std::int64_t threads = threads_for(
      samples,
      std::max<std::int64_t>(1, least_work / std::max<std::int64_t>(1, work)));
  const double each = (double(room) + double(numel)) * sizeof(T);
  if (double(threads) * each > scratch_bytes) threads = 1;
  const Scratch<T> rooms(threads * room);
  if (threads == 1) {
    for (std::int64_t n = 0; n < samples; ++n) add(n, rooms.data(), sums);
    return;
  }
  const Scratch<T> parts(threads * numel);
  parallel_for(threads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      T* const part = parts.data() + t * numel;
      std::fill_n(part, numel, T(0));
      for (std::int64_t n = samples * t / threads;
           n < samples * (t + 1) / threads; ++n)
        add(n, rooms.data() + t * room, part);
    }
  });
  for (std::int64_t t = 0; t < threads; ++t) {
    const T* const part = parts.data() + t * numel;
    for (std::int64_t i = 0; i < numel; ++i) sums[i] += part[i];
  }
}

kernels::ConvSizes sizes_of(const Tensor& x, const Tensor& dout,
                            const Conv2dGeometry& window) {
  kernels::ConvSizes sizes;
  sizes.batch = x.size(0);
  sizes.in_channels = x.size(1);
  sizes.in_h = x.size(2);
  sizes.in_w = x.size(3);
  sizes.out_channels = dout.size(1);
  sizes.window = window;
  return sizes;
}

// dw (O/g, D) = dout_n^T (O/g, T) * patches_n (T, D) of one group, the patches
// in tiles.
// x (N,H,W,C), dout (N,H',W',O), tile (tile_rows, D)
template <class T>
void patch_gradient(const kernels::ConvSizes& s, std::int64_t group,
                    std::int64_t n, std::int64_t tile_rows, const T* x,
                    const T* dout, T* tile, T* dw) {
  const std::int64_t positions = s.out_h() * s.out_w();
  const std::int64_t d = s.patch();
  for (std::int64_t r = 0; r < positions; r += tile_rows) {
    const std::int64_t rows = std::min(tile_rows, positions - r);
    const std::int64_t first = n * positions + r;
    kernels::gather_patches(s, group, x, first, first + rows, tile);
    kernels::gemm<T>(true, false, s.group_outputs(), d, rows, T(1),
                     dout + first * s.out_channels + group * s.group_outputs(),
                     s.out_channels, tile, d, r == 0 ? T(0) : T(1), dw, d);
  }
}

}  // namespace

void add_squares(const Tensor& x, const Tensor& dout, std::int64_t samples,
                 const Tensor& sums) {
  const std::int64_t d = x.size(1);
  const std::int64_t o = dout.size(1);
  const std::int64_t positions = x.size(0) / samples;
  // (d a)^2 = d^2 a^2: with one position the sum is one product.
  const Tensor a = positions == 1 ? x * x : x;
  const Tensor g = positions == 1 ? dout * dout : dout;
  dispatch_float(op, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* const from = a.data<T>();
    const T* const by = g.data<T>();
    T* const to = sums.mutable_data<T>();
    if (positions == 1) {
      // sums (O,D) += dout^2^T (O,N) * x^2 (N,D)
      kernels::gemm<T>(true, false, o, d, samples, T(1), by, o, from, d, T(1),
                       to, d);
      return;
    }
    add_samples<T>(
        samples, o * d, o * d, positions * o * d,
        [&](std::int64_t n, T* dw, T* sum) {
          // dw (O,D) = dout_n^T (O,S) * x_n (S,D)
          kernels::gemm<T>(true, false, o, d, positions, T(1),
                           by + n * positions * o, o, from + n * positions * d,
                           d, T(0), dw, d);
          add_square(o * d, dw, sum);
        },
        to);
  });
}

void add_patch_squares(const Tensor& x, const Tensor& dout,
                       const Conv2dGeometry& window, const Bases& bases,
                       const Tensor& sums) {
  const Tensor pixels = x.to(Layout::ChannelsLast);
  const Tensor gradients = dout.to(Layout::ChannelsLast);
  const kernels::ConvSizes s = sizes_of(x, dout, window);
  const std::int64_t d = s.patch();
  const std::int64_t o = s.out_channels;
  const bool rotated = bases.u_a.defined();
  dispatch_float(op, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const std::int64_t positions = s.out_h() * s.out_w();
    const std::int64_t tile_rows = std::min(
        positions,
        std::max<std::int64_t>(64, tile_bytes / (d * std::int64_t(sizeof(T)))));
    const T* const from = pixels.data<T>();
    const T* const by = gradients.data<T>();
    const T* const u_a = rotated ? bases.u_a.data<T>() : nullptr;
    const T* const u_g = rotated ? bases.u_g.data<T>() : nullptr;
    add_samples<T>(
        s.batch, o * d, tile_rows * d + 2 * o * d,
        positions * s.group_outputs() * d * window.groups,
        [&](std::int64_t n, T* room, T* sum) {
          T* const dw = room;
          T* const half = dw + o * d;
          T* const tile = half + o * d;
          for (std::int64_t g = 0; g < window.groups; ++g)
            patch_gradient(s, g, n, tile_rows, from, by, tile,
                           dw + g * s.group_outputs() * d);
          if (rotated) {
            // half (O,D) = dw (O,D) * u_a (D,D); dw = u_g^T (O,O) * half
            kernels::gemm<T>(false, false, o, d, d, T(1), dw, d, u_a, d, T(0),
                             half, d);
            kernels::gemm<T>(true, false, o, d, o, T(1), u_g, o, half, d, T(0),
                             dw, d);
          }
          add_square(o * d, dw, sum);
        },
        sums.mutable_data<T>());
  });
}

void add_embedding_squares(const Tensor& ids, const Tensor& dout,
                           std::int64_t samples, const Tensor& sums) {
  const std::int64_t width = sums.size(1);
  const std::int64_t positions = ids.numel() / samples;
  const Tensor in_order = ids.to(Layout::RowMajor);
  const std::int64_t* const all = in_order.data<std::int64_t>();
  if (kernels::find_out_of_range(ids.numel(), all, sums.size(0)) >= 0)
    throw ValueError("[sample_gradients] expected ids below " +
                     std::to_string(sums.size(0)));
  dispatch_float(op, dout.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* const to = sums.mutable_data<T>();
    std::vector<std::int64_t> order(static_cast<std::size_t>(positions));
    std::vector<T> row(static_cast<std::size_t>(width));
    for (std::int64_t n = 0; n < samples; ++n) {
      const std::int64_t* const id = all + n * positions;
      const T* const by = dout.data<T>() + n * positions * width;
      std::iota(order.begin(), order.end(), std::int64_t{0});
      std::stable_sort(
          order.begin(), order.end(),
          [&](std::int64_t a, std::int64_t b) { return id[a] < id[b]; });
      // Equal ids are neighbours now: a row of dW_n for each run of them.
      for (auto at = order.begin(); at != order.end();) {
        const std::int64_t v = id[*at];
        std::fill(row.begin(), row.end(), T(0));
        for (; at != order.end() && id[*at] == v; ++at) {
          for (std::int64_t e = 0; e < width; ++e)
            row[static_cast<std::size_t>(e)] += by[*at * width + e];
        }
        add_square(width, row.data(), to + v * width);
      }
    }
  });
}

}  // namespace mjolnir::detail
