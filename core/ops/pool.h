#pragma once

#include <mjolnir/core/geometry.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir {

/**
 * The greatest element of each window. Cells in the padding never win, the
 * first of equals in reading order does, NaN comes through; the gradient goes
 * to the winner. x (N,C,H,W) in any layout; gives (N,C,H',W') in ChannelsLast.
 * Throws ShapeError, and ValueError if a window would hold padding only.
 */
Tensor max_pool2d(const Tensor& x, const Conv2dGeometry& geometry);

/**
 * The mean of each window; cells in the padding count as zeros. x (N,C,H,W) in
 * any layout; gives (N,C,H',W') in ChannelsLast. Throws ShapeError,
 * ValueError.
 */
Tensor avg_pool2d(const Tensor& x, const Conv2dGeometry& geometry);

/** The mean of each channel's image: (N,C,H,W) in any layout to (N,C). Throws
 * ShapeError, ValueError. */
Tensor global_avg_pool(const Tensor& x);

}  // namespace mjolnir
