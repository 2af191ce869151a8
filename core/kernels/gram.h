#pragma once

#include <cstdint>

#include "core/kernels/patches.h"

namespace mjolnir::kernels {

/**
 * S += X^T X for a symmetric S; about half of the square is computed, the rest
 * copied. Sums are in T, in an order that depends on the number of threads.
 *
 * x (rows, d), s (d, d). T is float or double.
 */
template <class T>
void add_gram(std::int64_t rows, std::int64_t d, const T* x, T* s);

/**
 * S += sum over window positions of a a^T, a the patch of gather_patches (one
 * group): X^T X with the patch matrix in tiles that stay in cache.
 *
 * x (N,H,W,C), s (kh kw C, kh kw C). T is float or double.
 */
template <class T>
void add_patch_gram(const ConvSizes& sizes, const T* x, T* s);

}  // namespace mjolnir::kernels
