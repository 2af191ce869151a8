#pragma once

#include <algorithm>
#include <cstdint>

#include "core/detail/parallel.h"

namespace mjolnir::kernels {

/** The triangle of a symmetric matrix that holds its numbers. */
enum class Triangle { Lower, Upper };

/**
 * a[j, i] = a[i, j] for the places of one triangle, so that a is symmetric.
 *
 * a (n,n). Serial within a parallel region.
 */
template <class T>
void mirror(Triangle from, std::int64_t n, T* a) {
  constexpr std::int64_t tile = 32;  // both tiles of a pair stay in L1
  const std::int64_t tiles = (n + tile - 1) / tile;
  parallel_for(tiles, 8, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin * tile; row < std::min(n, end * tile);
         row += tile) {
      for (std::int64_t column = 0; column <= row; column += tile) {
        const std::int64_t row_end = std::min(row + tile, n);
        for (std::int64_t i = row; i < row_end; ++i) {
          const std::int64_t column_end = std::min(column + tile, i);
          for (std::int64_t j = column; j < column_end; ++j) {
            T& lower = a[i * n + j];
            T& upper = a[j * n + i];
            if (from == Triangle::Lower) {
              upper = lower;
            } else {
              lower = upper;
            }
          }
        }
      }
    }
  });
}

}  // namespace mjolnir::kernels
