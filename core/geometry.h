#pragma once

#include <array>
#include <cstdint>

namespace mjolnir {

/** Padding in elements: top, bottom, left, right. */
using Padding4 = std::array<std::int64_t, 4>;

/** How a window moves over an image (convolution, pooling). */
struct Conv2dGeometry {
  std::int64_t kernel_h = 1;
  std::int64_t kernel_w = 1;
  std::int64_t stride_h = 1;
  std::int64_t stride_w = 1;
  std::int64_t pad_top = 0;
  std::int64_t pad_bottom = 0;
  std::int64_t pad_left = 0;
  std::int64_t pad_right = 0;
  std::int64_t dilation_h = 1;
  std::int64_t dilation_w = 1;
  std::int64_t groups = 1;

  /** floor((height + pads - dilation (kernel - 1) - 1) / stride) + 1; below 1
   * if the dilated kernel is larger than the padded input. */
  std::int64_t out_h(std::int64_t height) const noexcept {
    const std::int64_t room =
        height + pad_top + pad_bottom - dilation_h * (kernel_h - 1) - 1;
    return room < 0 ? 0 : room / stride_h + 1;
  }
  std::int64_t out_w(std::int64_t width) const noexcept {
    const std::int64_t room =
        width + pad_left + pad_right - dilation_w * (kernel_w - 1) - 1;
    return room < 0 ? 0 : room / stride_w + 1;
  }
};

}  // namespace mjolnir
