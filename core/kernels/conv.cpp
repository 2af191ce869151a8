#include "core/kernels/conv.h"

#include <algorithm>

#include "core/detail/parallel.h"
#include "core/detail/per_thread.h"
#include "core/kernels/gemm.h"
#include "core/kernels/grain.h"

namespace mjolnir::kernels {
namespace {

// Elements of one tile of patches: about half of a core's level-2 cache.
constexpr std::int64_t tile_elements = 1 << 16;

std::int64_t tile_rows(const ConvSizes& s) {
  const std::int64_t fitting =
      tile_elements / std::max<std::int64_t>(s.patch(), 1);
  return std::clamp<std::int64_t>(fitting, 1,
                                  std::max<std::int64_t>(s.rows(), 1));
}

// A 1x1 window without stride and padding: the patches are x itself.
bool patches_are_input(const ConvSizes& s) {
  const Conv2dGeometry& g = s.window;
  return g.kernel_h == 1 && g.kernel_w == 1 && g.stride_h == 1 &&
         g.stride_w == 1 && s.out_h() == s.in_h && s.out_w() == s.in_w &&
         g.pad_top == 0 && g.pad_left == 0;
}

// The patches of one group for some positions, and the distance of its rows.
template <class T>
struct Patches {
  const T* data;
  std::int64_t stride;
};

template <class T>
Patches<T> patches_of(const ConvSizes& s, std::int64_t group, const T* x,
                      std::int64_t begin, std::int64_t end, T* scratch) {
  if (patches_are_input(s)) {
    return {x + begin * s.in_channels + group * s.group_inputs(),
            s.in_channels};
  }
  gather_patches(s, group, x, begin, end, scratch);
  return {scratch, s.patch()};
}

}  // namespace

template <class T>
void conv2d_forward(const ConvSizes& s, const T* x, const T* w, const T* b,
                    T* y, Gemm<T> product) {
  const std::int64_t rows = s.rows(), tile = tile_rows(s);
  const std::int64_t O = s.out_channels, Og = s.group_outputs(), D = s.patch();
  const std::int64_t tiles = (rows + tile - 1) / tile;
  const PerThread<T> rooms(tiles, 1, tile * D);
  parallel_for(tiles, 1, [&](std::int64_t t0, std::int64_t t1) {
    T* const scratch = rooms.mine();
    for (std::int64_t t = t0; t < t1; ++t) {
      const std::int64_t begin = t * tile, end = std::min(rows, begin + tile);
      if (b != nullptr) {
        for (std::int64_t r = begin; r < end; ++r) std::copy_n(b, O, y + r * O);
      }
      for (std::int64_t group = 0; group < s.window.groups; ++group) {
        const auto p = patches_of(s, group, x, begin, end, scratch);
        // y (rows,Og) += patches (rows,D) w^T (D,Og)
        product(false, true, end - begin, Og, D, 1, p.data, p.stride,
                w + group * Og * D, D, b != nullptr ? 1 : 0,
                y + begin * O + group * Og, O);
      }
    }
  });
}

template <class T>
void conv2d_input_gradient(const ConvSizes& s, const T* dy, const T* w, T* dx,
                           Gemm<T> product) {
  const std::int64_t positions = s.out_h() * s.out_w(), tile = tile_rows(s);
  const std::int64_t O = s.out_channels, Og = s.group_outputs(), D = s.patch();
  const std::int64_t image = s.in_h * s.in_w * s.in_channels;
  // Windows overlap within an image only: one image is one thread's, and a
  // thread gets images of 2^16 products at least.
  const std::int64_t grain = grain_of(positions * O * D, 1 << 16);
  const PerThread<T> rooms(s.batch, grain, tile * D);
  parallel_for(s.batch, grain, [&](std::int64_t n0, std::int64_t n1) {
    T* const scratch = rooms.mine();
    std::fill(dx + n0 * image, dx + n1 * image, T(0));
    for (std::int64_t n = n0; n < n1; ++n) {
      const std::int64_t stop = (n + 1) * positions;
      for (std::int64_t begin = n * positions; begin < stop; begin += tile) {
        const std::int64_t end = std::min(stop, begin + tile);
        for (std::int64_t group = 0; group < s.window.groups; ++group) {
          // dpatches (rows,D) = dy (rows,Og) w (Og,D)
          product(false, false, end - begin, D, Og, 1,
                  dy + begin * O + group * Og, O, w + group * Og * D, D, 0,
                  scratch, D);
          scatter_patches(s, group, scratch, begin, end, dx);
        }
      }
    }
  });
}

template <class T>
void conv2d_weight_gradient(const ConvSizes& s, const T* x, const T* dy, T* dw,
                            Gemm<T> product) {
  const std::int64_t rows = s.rows(), tile = tile_rows(s);
  const std::int64_t O = s.out_channels, Og = s.group_outputs(), D = s.patch();
  const std::int64_t tiles = (rows + tile - 1) / tile;
  // One partial sum a thread, added in order: the first one in dw itself.
  const std::int64_t parts =
      std::max<std::int64_t>(1, std::min<std::int64_t>(num_threads(), tiles));
  Scratch<T> partial((parts - 1) * O * D);
  std::fill_n(dw, O * D, T(0));
  std::fill_n(partial.data(), (parts - 1) * O * D, T(0));
  const PerThread<T> rooms(parts, 1, tile * D);
  parallel_for(parts, 1, [&](std::int64_t p0, std::int64_t p1) {
    T* const scratch = rooms.mine();
    for (std::int64_t part = p0; part < p1; ++part) {
      T* sum = part == 0 ? dw : partial.data() + (part - 1) * O * D;
      for (std::int64_t t = tiles * part / parts;
           t < tiles * (part + 1) / parts; ++t) {
        const std::int64_t begin = t * tile, end = std::min(rows, begin + tile);
        for (std::int64_t group = 0; group < s.window.groups; ++group) {
          const auto p = patches_of(s, group, x, begin, end, scratch);
          // dw (Og,D) += dy^T (Og,rows) patches (rows,D)
          product(true, false, Og, D, end - begin, 1,
                  dy + begin * O + group * Og, O, p.data, p.stride, 1,
                  sum + group * Og * D, D);
        }
      }
    }
  });
  for (std::int64_t part = 1; part < parts; ++part) {
    const T* more = partial.data() + (part - 1) * O * D;
    for (std::int64_t i = 0; i < O * D; ++i) dw[i] += more[i];
  }
}

#define MJOLNIR_INSTANTIATE(T)                                                 \
  template void conv2d_forward(const ConvSizes&, const T*, const T*, const T*, \
                               T*, Gemm<T>);                                   \
  template void conv2d_input_gradient(const ConvSizes&, const T*, const T*,    \
                                      T*, Gemm<T>);                            \
  template void conv2d_weight_gradient(const ConvSizes&, const T*, const T*,   \
                                       T*, Gemm<T>);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels
