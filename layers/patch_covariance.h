#pragma once

#include <mjolnir/core/geometry.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir {

/**
 * S_A = sum over samples n and window positions t of a a^T, where a (D) is the
 * patch of x (N,C,H,W) that a convolution with this window multiplies by a
 * filter; D = kh kw C, in storage order (kh, kw, c). Patches are made in tiles:
 * scratch is a few megabytes, whatever the size of x. f32 or f64, summed in
 * that type. Throws ShapeError for a window larger than the padded image,
 * ValueError for groups.
 */
Tensor patch_covariance(const Tensor& x, const Conv2dGeometry& window);

/** s (D,D) += patch_covariance(x, window). */
void add_patch_covariance(const Tensor& x, const Conv2dGeometry& window,
                          const Tensor& s);

}  // namespace mjolnir
