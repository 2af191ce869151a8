#pragma once

#include <cstdint>

#include "core/kernels/loop_nest.h"

namespace mjolnir::kernels {

/** Position of the first index outside [0, length), or -1. */
std::int64_t find_out_of_range(std::int64_t n, const std::int64_t* index,
                               std::int64_t length) noexcept;

// y[i] = w[ids_i]
// w (V,E), ids (n), y (n,E)
template <class T>
void embedding(std::int64_t n, std::int64_t width, const std::int64_t* ids,
               const T* w, T* y);

// dw[r] = sum of dy[i] where ids_i = r, in double and in the order of i
// ids (n), dy (n,E), dw (V,E)
template <class T>
void embedding_gradient(std::int64_t n, std::int64_t rows, std::int64_t width,
                        const std::int64_t* ids, const T* dy, T* dw);

// y_p = x[p along the other axes, index_p along the axis with `stride`]
// index, y as the nest's output; x the nest's operand 0, stride 0 along axis
template <class T>
void gather(const LoopNest& nest, std::int64_t stride,
            const std::int64_t* index, const T* x, T* y);

// y[p along the other axes, index_p along the axis] += x_p, in order of p; in
// double where an element may get more than 16 terms
// index, x as the nest's output; y (size) the nest's operand 0, stride 0 along
// the axis, whose length in `index` is `most`
template <class T>
void scatter_add(const LoopNest& nest, std::int64_t stride, std::int64_t most,
                 const std::int64_t* index, const T* x, std::int64_t size,
                 T* y);

}  // namespace mjolnir::kernels
