#pragma once

#include "core/kernels/patches.h"

namespace mjolnir::kernels {

/**
 * add_patch_gram for groups of one channel: each group's S has few numbers, so
 * that the loops run over groups in vectors instead of over matrices.
 *
 * x (N,H,W,C), s (C, kh kw, kh kw), symmetric. T is float or double.
 */
template <class T>
void add_depthwise_gram(const ConvSizes& sizes, const T* x, T* s);

/** Bytes of working memory at the present number of threads. */
std::int64_t depthwise_gram_scratch(const ConvSizes& sizes,
                                    std::int64_t element_bytes);

}  // namespace mjolnir::kernels
