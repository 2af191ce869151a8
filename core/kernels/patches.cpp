#include "core/kernels/patches.h"

#include <algorithm>

namespace mjolnir::kernels {
namespace {

// Calls inside(x_offset, length) or outside(length) for the cells of the
// window at position r, in the order of a patch. Neighbouring cells come in
// one piece where they are neighbours in memory.
template <class Inside, class Outside>
void for_each_piece(const ConvSizes& s, std::int64_t group, std::int64_t r,
                    Inside inside, Outside outside) {
  const Conv2dGeometry& g = s.window;
  const std::int64_t out_w = s.out_w();
  const std::int64_t out_h = s.out_h();
  const std::int64_t channels = s.group_inputs();
  const std::int64_t left = r % out_w * g.stride_w - g.pad_left;
  const std::int64_t top = r / out_w % out_h * g.stride_h - g.pad_top;
  const std::int64_t image = r / (out_w * out_h) * s.in_h;
  // Window columns [first, last) lie inside the image.
  const auto columns_before = [&](std::int64_t x) {
    const std::int64_t count = (x - left + g.dilation_w - 1) / g.dilation_w;
    return x <= left ? std::int64_t{0} : std::min(count, g.kernel_w);
  };
  const std::int64_t first = columns_before(0);
  const std::int64_t last = std::max(first, columns_before(s.in_w));
  const bool contiguous = g.dilation_w == 1 && g.groups == 1;
  for (std::int64_t i = 0; i < g.kernel_h; ++i) {
    const std::int64_t row = top + i * g.dilation_h;
    if (row < 0 || row >= s.in_h) {
      outside(g.kernel_w * channels);
      continue;
    }
    outside(first * channels);
    std::int64_t offset =
        ((image + row) * s.in_w + left + first * g.dilation_w) * s.in_channels +
        group * channels;
    if (contiguous) {
      if (last > first) inside(offset, (last - first) * channels);
    } else {
      for (std::int64_t j = first; j < last; ++j) {
        inside(offset, channels);
        offset += g.dilation_w * s.in_channels;
      }
    }
    outside((g.kernel_w - last) * channels);
  }
}

}  // namespace

template <class T>
void gather_patches(const ConvSizes& sizes, std::int64_t group, const T* x,
                    std::int64_t begin, std::int64_t end, T* patches) {
  for (std::int64_t r = begin; r < end; ++r) {
    for_each_piece(
        sizes, group, r,
        [&](std::int64_t offset, std::int64_t length) {
          patches = std::copy_n(x + offset, length, patches);
        },
        [&](std::int64_t length) {
          patches = std::fill_n(patches, length, T(0));
        });
  }
}

template <class T>
void scatter_patches(const ConvSizes& sizes, std::int64_t group,
                     const T* patches, std::int64_t begin, std::int64_t end,
                     T* dx) {
  for (std::int64_t r = begin; r < end; ++r) {
    for_each_piece(
        sizes, group, r,
        [&](std::int64_t offset, std::int64_t length) {
          T* to = dx + offset;
          for (std::int64_t i = 0; i < length; ++i) to[i] += patches[i];
          patches += length;
        },
        [&](std::int64_t length) { patches += length; });
  }
}

template void gather_patches(const ConvSizes&, std::int64_t, const float*,
                             std::int64_t, std::int64_t, float*);
template void gather_patches(const ConvSizes&, std::int64_t, const double*,
                             std::int64_t, std::int64_t, double*);
template void scatter_patches(const ConvSizes&, std::int64_t, const float*,
                              std::int64_t, std::int64_t, float*);
template void scatter_patches(const ConvSizes&, std::int64_t, const double*,
                              std::int64_t, std::int64_t, double*);

}  // namespace mjolnir::kernels
