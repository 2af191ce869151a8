#pragma once

#include "core/kernels/patches.h"

/**
 * Pooling in channels-last memory; `sizes.window` is the window and
 * out_channels = in_channels. T is float or double.
 */
namespace mjolnir::kernels {

/** True if each window holds a cell of the image. */
bool every_window_has_a_cell(const ConvSizes& sizes);

/**
 * y = the greatest x of each window, index = where it was in x. Cells outside
 * the image never win, ties go to the first in reading order, NaN wins.
 *
 * x (N,H,W,C), y (N,H',W',C), index (N,H',W',C): positions in x's memory.
 * Every window must hold at least one cell of the image.
 */
template <class T>
void max_pool_forward(const ConvSizes& sizes, const T* x, T* y,
                      std::int64_t* index);

/**
 * dx[index[i]] += dy[i], over dx = 0.
 *
 * dy, index (N,H',W',C), dx (N,H,W,C).
 */
template <class T>
void max_pool_backward(const ConvSizes& sizes, const T* dy,
                       const std::int64_t* index, T* dx);

/**
 * y[i] = x[index[i]]: the adjoint of max_pool_backward.
 *
 * x any buffer `index` points into, index, y (count).
 */
template <class T>
void gather_elements(std::int64_t count, const T* x, const std::int64_t* index,
                     T* y);

/**
 * y = (sum of x over each window) / (kh kw): padded cells count as zeros. Sums
 * of more than 16 cells are taken in double, here and in the adjoints.
 *
 * x (N,H,W,C), y (N,H',W',C).
 */
template <class T>
void avg_pool_forward(const ConvSizes& sizes, const T* x, T* y);

/**
 * dx = the adjoint of avg_pool_forward, applied to dy.
 *
 * dy (N,H',W',C), dx (N,H,W,C).
 */
template <class T>
void avg_pool_backward(const ConvSizes& sizes, const T* dy, T* dx);

/**
 * y[n,c] = 1/P sum over p of x[n,p,c], summed in double.
 *
 * x (N,P,C) with P = H W, y (N,C).
 */
template <class T>
void global_avg_pool_forward(std::int64_t batch, std::int64_t positions,
                             std::int64_t channels, const T* x, T* y);

/**
 * dx[n,p,c] = dy[n,c] / P.
 *
 * dy (N,C), dx (N,P,C).
 */
template <class T>
void global_avg_pool_backward(std::int64_t batch, std::int64_t positions,
                              std::int64_t channels, const T* dy, T* dx);

}  // namespace mjolnir::kernels
