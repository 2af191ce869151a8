#pragma once

#include "core/kernels/patches.h"

/**
 * 3x3 convolutions with stride 1 in f32 by Winograd's minimal filtering
 * F(4x4, 3x3) (Lavin & Gray, "Fast algorithms for convolutional neural
 * networks", CVPR 2016): a tile of 4x4 outputs costs 36 products per pair of
 * channels instead of 144. With the matrices A, B, G of that paper, d a tile
 * of 6x6 inputs and g a 3x3 filter,
 *
 *     y = A^T [(G g G^T) * (B^T d B)] A,
 *     dg = G^T [(A dy A^T) * (B^T d B)] G,
 *
 * where * multiplies element by element, summed over channels or tiles: for
 * each of the 36 elements one matrix product. Channels-last memory. Rounding
 * is a few times that of a direct convolution.
 */
namespace mjolnir::kernels {

/** True for the shapes that the functions below accept: a 3x3 window with
 * stride 1, no dilation, no groups, padding of at most 2, and channels that
 * are multiples of 16. */
bool winograd_fits(const ConvSizes& sizes);

/** True where winograd_fits and it should beat a direct convolution: many
 * channels, and tiles that do not hang far over the edge. */
bool winograd_pays(const ConvSizes& sizes);

/** conv2d_forward<float>; x (N,H,W,C), w (O,3,3,C), b (O) or null,
 * y (N,H',W',O). The same bits for any number of threads. */
void winograd_forward(const ConvSizes& sizes, const float* x, const float* w,
                      const float* b, float* y);

/** conv2d_input_gradient<float>; dy (N,H',W',O), w (O,3,3,C), dx (N,H,W,C).
 * The same bits for any number of threads. */
void winograd_input_gradient(const ConvSizes& sizes, const float* dy,
                             const float* w, float* dx);

/** conv2d_weight_gradient<float>; x (N,H,W,C), dy (N,H',W',O),
 * dw (O,3,3,C). */
void winograd_weight_gradient(const ConvSizes& sizes, const float* x,
                              const float* dy, float* dw);

}  // namespace mjolnir::kernels
