#pragma once

#include "core/kernels/gram.h"

namespace mjolnir::kernels {

/**
 * add_patch_gram for any window, with patches along the width alone: each row
 * of x is copied once, kw C/g numbers a position, instead of once per row of
 * the window, and rows are displaced against each other (core/kernels/
 * displacements.h). With stride 1 that is about kh products of kw C/g x kw C/g
 * instead of kh^2/2.
 *
 * x (N,H,W,C), s (groups, kh kw C/g, kh kw C/g), symmetric. Takes `limit` bytes
 * of working memory, or one product and the rows of one window if that is
 * more. T is float or double.
 */
template <class T>
void add_row_gram(const ConvSizes& sizes, const T* x, T* s,
                  std::int64_t limit = patch_gram_scratch);

GramCost row_gram_cost(const ConvSizes& sizes, std::int64_t element_bytes,
                       std::int64_t limit);

}  // namespace mjolnir::kernels
