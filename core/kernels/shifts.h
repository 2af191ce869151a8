#pragma once

#include "core/kernels/patches.h"

namespace mjolnir::kernels {

/**
 * True if add_shift_gram can do this window and is the faster way: stride 1,
 * at least 16 channels, and window positions on most of the image.
 */
bool prefers_shifts(const ConvSizes& sizes, std::size_t element_bytes);

/**
 * S += sum over window positions of a a^T, as add_patch_gram, without patches
 * (stride 1, one group). With cells a and b = a + delta of the window, the
 * block of S is
 *
 *   S_ab = sum over positions t of x(t + a) x(t + b)^T
 *        = F(delta) - rows - columns + corners,
 *
 * F(delta) = sum over all pixels u of x(u) x(u + delta)^T, one product for all
 * blocks with this delta, and the others its parts from the border rows and
 * columns that this block's positions do not reach. (Window sums by
 * displacement: Kwatra & Han, "Fast covariance computation and dimensionality
 * reduction for sub-window features in images", ECCV 2010.) A k x k window
 * takes ((2k-1)^2 + 1)/2 products instead of k^4.
 *
 * x (N,H,W,C), s (kh kw C, kh kw C). T is float or double.
 */
template <class T>
void add_shift_gram(const ConvSizes& sizes, const T* x, T* s);

}  // namespace mjolnir::kernels
