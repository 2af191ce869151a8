#pragma once

#include <cstdint>

#include <mjolnir/core/geometry.h>

namespace mjolnir::kernels {

/** The sizes of one convolution; `window.groups` divides both channels. */
struct ConvSizes {
  std::int64_t batch = 0;
  std::int64_t in_h = 0;
  std::int64_t in_w = 0;
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  Conv2dGeometry window;

  std::int64_t out_h() const noexcept { return window.out_h(in_h); }
  std::int64_t out_w() const noexcept { return window.out_w(in_w); }
  /** Positions of the window: rows of the patch matrix, N H' W'. */
  std::int64_t rows() const noexcept { return batch * out_h() * out_w(); }
  std::int64_t group_inputs() const noexcept {
    return in_channels / window.groups;
  }
  std::int64_t group_outputs() const noexcept {
    return out_channels / window.groups;
  }
  /** Length of a patch of one group: kh kw C/g. */
  std::int64_t patch() const noexcept {
    return window.kernel_h * window.kernel_w * group_inputs();
  }
};

/**
 * patches[r - begin, (i, j, c)] = x[n, h sh - pt + i dh, w sw - pl + j dw, c]
 * for the window positions r = (n, h, w) of [begin, end) and the channels c of
 * one group; 0 where the window leaves the image.
 *
 * x (N,H,W,C), patches (end - begin, kh kw C/g). T is float or double.
 */
template <class T>
void gather_patches(const ConvSizes& sizes, std::int64_t group, const T* x,
                    std::int64_t begin, std::int64_t end, T* patches);

/**
 * Adjoint of gather_patches: adds every element of `patches` to the element
 * of dx it would have been read from.
 *
 * patches (end - begin, kh kw C/g), dx (N,H,W,C).
 */
template <class T>
void scatter_patches(const ConvSizes& sizes, std::int64_t group,
                     const T* patches, std::int64_t begin, std::int64_t end,
                     T* dx);

}  // namespace mjolnir::kernels
