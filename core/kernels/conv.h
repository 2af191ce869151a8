#pragma once

#include "core/kernels/gemm.h"
#include "core/kernels/patches.h"

/**
 * Convolution in channels-last memory, for any stride, dilation, padding and
 * groups: the patches of a tile of window positions, then a matrix product.
 * The patch matrix never exists as a whole. T is float or double. The product
 * is gemm where this stands in for a faster kernel, and gemm_blas where it is
 * the reference, which must share nothing with what it is compared with.
 */
namespace mjolnir::kernels {

/**
 * y[n,h,w,o] = b[o] + sum over i, j, c of
 *     w[o,i,j,c] x[n, h sh - pt + i dh, w sw - pl + j dw, c]
 * over the channels c of o's group (cross-correlation, as in every deep
 * learning library).
 *
 * x (N,H,W,C), w (O,kh,kw,C/g), b (O) or null, y (N,H',W',O).
 */
template <class T>
void conv2d_forward(const ConvSizes& sizes, const T* x, const T* w, const T* b,
                    T* y, Gemm<T> product = gemm<T>);

/**
 * dx = the adjoint of conv2d_forward in x, applied to dy.
 *
 * dy (N,H',W',O), w (O,kh,kw,C/g), dx (N,H,W,C).
 */
template <class T>
void conv2d_input_gradient(const ConvSizes& sizes, const T* dy, const T* w,
                           T* dx, Gemm<T> product = gemm<T>);

/**
 * dw[o,(i,j,c)] = sum over positions r of dy[r,o] patch[r,(i,j,c)].
 *
 * x (N,H,W,C), dy (N,H',W',O), dw (O,kh,kw,C/g).
 */
template <class T>
void conv2d_weight_gradient(const ConvSizes& sizes, const T* x, const T* dy,
                            T* dw, Gemm<T> product = gemm<T>);

}  // namespace mjolnir::kernels
