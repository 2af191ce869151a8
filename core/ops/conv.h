#pragma once

#include <mjolnir/core/geometry.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir {

/**
 * Two-dimensional convolution (cross-correlation, as in every deep learning
 * library):
 *
 *     y[n,o,h,w] = bias[o] + sum over c, i, j of
 *         w[o,c,i,j] x[n, c, h stride_h - pad_top + i dilation_h,
 *                      w stride_w - pad_left + j dilation_w]
 *
 * with zeros outside the image and, with groups, c running over the channels
 * of o's group.
 * x (N,C,H,W), w (O,C/groups,kh,kw), bias (O) or undefined; gives (N,O,H',W')
 * in ChannelsLast, whatever the layouts of x and w. The kernel lengths of
 * `geometry` must be those of w.
 * In f32, 3x3 windows with stride 1 on 64 channels or more go through
 * Winograd's minimal filtering, here and in the gradients: its rounding error
 * is 1e-6 to 3e-6 of the result's size, about ten times a direct
 * convolution's. ScopedBackend(Backend::Reference) computes directly.
 * Throws ShapeError, ValueError.
 */
Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias,
              const Conv2dGeometry& geometry);

/**
 * Gradient of sum(dy * conv2d(x, w)) with respect to x: the transposed
 * convolution. dy (N,O,H',W'), w (O,C/groups,kh,kw); gives x_shape in
 * ChannelsLast. Throws ShapeError, ValueError.
 */
Tensor conv2d_input_gradient(const Tensor& dy, const Tensor& w,
                             const Shape& x_shape,
                             const Conv2dGeometry& geometry);

/**
 * Gradient of sum(dy * conv2d(x, w)) with respect to w. x (N,C,H,W), dy
 * (N,O,H',W'); gives w_shape in ChannelsLast. Throws ShapeError, ValueError.
 */
Tensor conv2d_weight_gradient(const Tensor& x, const Tensor& dy,
                              const Shape& w_shape,
                              const Conv2dGeometry& geometry);

}  // namespace mjolnir
