#pragma once

#include <mjolnir/core/geometry.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir {

/**
 * S_A = sum over samples n and window positions t of a a^T, where a (D) is the
 * patch of x (N,C,H,W) that a convolution with this window multiplies by a
 * filter; D = kh kw C, in storage order (kh, kw, c). The patches never exist
 * as a matrix: f32 with stride 1 and many channels is summed by displacements,
 * everything else in tiles, with at most 64 MB of scratch where D x D is
 * smaller than that. f32 or f64, summed in that type. Throws ShapeError for a
 * window larger than the padded image, ValueError for groups.
 */
Tensor patch_covariance(const Tensor& x, const Conv2dGeometry& window);

/** s (D,D) += patch_covariance(x, window). */
void add_patch_covariance(const Tensor& x, const Conv2dGeometry& window,
                          const Tensor& s);

}  // namespace mjolnir
