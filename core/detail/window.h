#pragma once

#include <algorithm>
#include <string>

#include <mjolnir/core/geometry.h>

#include "core/detail/check.h"

namespace mjolnir::detail {

/** Throws ShapeError or ValueError unless the window of `g` fits at least
 * once into the padded image x (N,C,H,W) and its numbers make sense. */
inline void check_window(const char* op, const Shape& x,
                         const Conv2dGeometry& g) {
  if (x.rank() != 4) {
    throw ShapeError(prefix(op) + "expected x of rank 4 (N,C,H,W), got shape " +
                     x.str());
  }
  constexpr std::int64_t most = 1 << 20;  // keeps every product in 64 bits
  const auto within = [&](const char* name, std::int64_t value,
                          std::int64_t least) {
    if (value < least || value > most) {
      throw ValueError(prefix(op) + "expected " + name + " of " +
                       std::to_string(least) + " to " + std::to_string(most) +
                       ", got " + std::to_string(value));
    }
  };
  for (const std::int64_t k : {g.kernel_h, g.kernel_w}) within("kernel", k, 1);
  for (const std::int64_t s : {g.stride_h, g.stride_w}) within("stride", s, 1);
  for (const std::int64_t d : {g.dilation_h, g.dilation_w}) {
    within("dilation", d, 1);
  }
  for (const std::int64_t p :
       {g.pad_top, g.pad_bottom, g.pad_left, g.pad_right}) {
    within("padding", p, 0);
  }
  if (g.out_h(x[2]) < 1 || g.out_w(x[3]) < 1) {
    const auto times = [](std::int64_t a, std::int64_t b) {
      return std::to_string(a) + "x" + std::to_string(b);
    };
    throw ShapeError(
        prefix(op) + "expected a window within the padded image, got a " +
        times(g.dilation_h * (g.kernel_h - 1) + 1,
              g.dilation_w * (g.kernel_w - 1) + 1) +
        " window on " +
        times(x[2] + g.pad_top + g.pad_bottom,
              x[3] + g.pad_left + g.pad_right) +
        " (x is " + x.str() + "); add padding or take a smaller kernel");
  }
}

}  // namespace mjolnir::detail
