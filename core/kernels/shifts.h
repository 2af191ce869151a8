#pragma once

#include "core/kernels/gram.h"

namespace mjolnir::kernels {

/** True if add_shift_gram can do this window: stride 1. */
bool can_shift(const Conv2dGeometry& window);

/**
 * add_patch_gram for stride 1, without patches: by displacements of single
 * pixels (core/kernels/displacements.h). With channels innermost a displaced
 * image is the same memory at another address, so that each product is one of
 * two overlapping views; what a view must leave out is zero in a copy of the
 * other. The copy is a band of rows at a time. A k x k window that goes far
 * into an image takes ((2k-1)^2 + 1)/2 products of C/g x C/g, and some of
 * border pixels, instead of k^4. (Covariances of windows by displacement:
 * Kwatra & Han, "Fast covariance computation and dimensionality reduction for
 * sub-window features in images", ECCV 2010.)
 *
 * x (N,H,W,C), s (groups, kh kw C/g, kh kw C/g), symmetric. Takes `limit` bytes
 * of working memory, or one product and one row of x if that is more. T is
 * float or double.
 */
template <class T>
void add_shift_gram(const ConvSizes& sizes, const T* x, T* s,
                    std::int64_t limit = patch_gram_scratch);

GramCost shift_gram_cost(const ConvSizes& sizes, std::int64_t element_bytes,
                         std::int64_t limit);

}  // namespace mjolnir::kernels
