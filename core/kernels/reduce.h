#pragma once

#include <array>
#include <cstdint>

#include "core/kernels/loop_nest.h"

namespace mjolnir::kernels {

/**
 * A contiguous input whose axes, in memory order, are kept or summed away.
 * The output holds the kept axes in the same order.
 */
struct ReducePlan {
  int rank = 0;
  LoopNest::Axes lengths{};
  std::array<bool, LoopNest::max_rank> reduced{};
};

// y = sum(x) / divisor over the reduced axes, in double, in a fixed order
// for a fixed number of threads; 0 / divisor where there is nothing to add
// x (lengths), y (kept lengths)
template <class T>
void sum(const ReducePlan& plan, const T* x, double divisor, T* y);

// index = position in x of the largest element along the reduced axes, the
// first of equals, the first NaN if there is one
// x (lengths), no reduced length 0; index (kept lengths)
template <class T>
void argmax(const ReducePlan& plan, const T* x, std::int64_t* index);

// index_i = index_i / stride % length: from a position in memory to that along
// an axis
// index (n)
void axis_position(std::int64_t n, std::int64_t stride, std::int64_t length,
                   std::int64_t* index);

// y_i = x[index_i]
// index, y (n)
template <class T>
void take(std::int64_t n, const std::int64_t* index, const T* x, T* y);

// y[index_i] = x_i, 0 elsewhere; no index occurs twice
// index, x (n), y (size)
template <class T>
void place(std::int64_t n, const std::int64_t* index, const T* x,
           std::int64_t size, T* y);

}  // namespace mjolnir::kernels
