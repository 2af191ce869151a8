#pragma once

#include <algorithm>
#include <cstdint>

#include "core/detail/parallel.h"

namespace mjolnir::kernels {

/**
 * y[n][j][i] = x[n][i][j]: turns (N,C,HW) into (N,HW,C) with rows = C,
 * columns = HW, and back with the two exchanged.
 * x (batch, rows, columns), y (batch, columns, rows)
 */
template <class T>
void transpose_inner(const T* x, T* y, std::int64_t batch, std::int64_t rows,
                     std::int64_t columns) {
  constexpr std::int64_t tile = 16;
  const std::int64_t strips = (columns + tile - 1) / tile;
  const std::int64_t grain =
      std::max<std::int64_t>(1, 32768 / (tile * rows + 1));
  parallel_for(batch * strips, grain,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t s = begin; s < end; ++s) {
                   const T* from = x + s / strips * rows * columns;
                   T* to = y + s / strips * rows * columns;
                   const std::int64_t j0 = s % strips * tile;
                   const std::int64_t j1 = std::min(columns, j0 + tile);
                   for (std::int64_t i0 = 0; i0 < rows; i0 += tile) {
                     const std::int64_t i1 = std::min(rows, i0 + tile);
                     for (std::int64_t j = j0; j < j1; ++j) {
                       for (std::int64_t i = i0; i < i1; ++i) {
                         to[j * rows + i] = from[i * columns + j];
                       }
                     }
                   }
                 }
               });
}

}  // namespace mjolnir::kernels
