#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/detail/parallel.h"
#include "core/detail/scratch.h"
#include "core/kernels/grain.h"

/**
 * Loops over matrices (rows, columns) whose inner loop is a panel of
 * neighbouring columns of a length the compiler knows, so that what belongs to
 * a column stays in vector registers. Images in channels-last memory are such
 * matrices, rows = N H W, columns = C.
 */
namespace mjolnir::kernels {

/** Columns of a panel: two cache lines of f32, or one for what remains. */
constexpr std::int64_t wide_panel = 32;
constexpr std::int64_t narrow_panel = 16;
/** Terms added in T before they go to a double: 16 keep the error of a sum of
 * floats below 5e-7 of the sum of the |terms|, however many there are. It is
 * also how many rows are walked panel by panel: a few pages, read in order. */
constexpr std::int64_t panel_rows = 16;

/** Calls f(begin, end, first, width) for pieces that cover rows [begin, end):
 * columns first..first+width of each, where width is an integral_constant for
 * panels and a plain integer for the rest. */
template <class F>
void for_each_panel(std::int64_t begin, std::int64_t end, std::int64_t columns,
                    F&& f) {
  // One panel a row needs no cutting into blocks.
  const std::int64_t block = columns <= wide_panel ? end - begin : panel_rows;
  for (std::int64_t r = begin; r < end; r += block) {
    const std::int64_t stop = std::min(end, r + block);
    std::int64_t c = 0;
    for (; c + wide_panel <= columns; c += wide_panel) {
      f(r, stop, c, std::integral_constant<std::int64_t, wide_panel>{});
    }
    if (c + narrow_panel <= columns) {
      f(r, stop, c, std::integral_constant<std::int64_t, narrow_panel>{});
      c += narrow_panel;
    }
    if (c < columns) f(r, stop, c, columns - c);
  }
}

/**
 * out[k][c] = sum over r of term(r, c)[k], in double.
 *
 * `term` gives std::array<T, K>. The rows are cut into parts by the shape
 * alone, and the parts' sums are added in order: the same bits for any number
 * of threads. out (K, columns).
 */
template <std::size_t K, class T, class Term>
void reduce_columns(std::int64_t rows, std::int64_t columns, double* out,
                    Term&& term) {
  const std::int64_t parts =
      std::clamp<std::int64_t>(rows * columns / (2 * worthwhile), 1, 64);
  const std::int64_t size = static_cast<std::int64_t>(K) * columns;
  const Scratch<double> partial(parts * size);
  std::fill_n(partial.data(), parts * size, 0.0);
  parallel_for(parts, 1, [&](std::int64_t first_part, std::int64_t last_part) {
    for (std::int64_t part = first_part; part < last_part; ++part) {
      double* total = partial.data() + part * size;
      for_each_panel(
          rows * part / parts, rows * (part + 1) / parts, columns,
          [&](std::int64_t begin, std::int64_t end, std::int64_t first,
              auto width) {
            for (std::int64_t r = begin; r < end; r += panel_rows) {
              T sum[K][wide_panel] = {};
              const std::int64_t stop = std::min(end, r + panel_rows);
              for (std::int64_t i = r; i < stop; ++i) {
                for (std::int64_t c = 0; c < width; ++c) {
                  const std::array<T, K> value = term(i, first + c);
                  for (std::size_t k = 0; k < K; ++k) sum[k][c] += value[k];
                }
              }
              for (std::size_t k = 0; k < K; ++k) {
                for (std::int64_t c = 0; c < width; ++c) {
                  total[static_cast<std::int64_t>(k) * columns + first + c] +=
                      sum[k][c];
                }
              }
            }
          });
    }
  });
  std::fill_n(out, size, 0.0);
  for (std::int64_t part = 0; part < parts; ++part) {
    for (std::int64_t i = 0; i < size; ++i) out[i] += partial[part * size + i];
  }
}

/** Calls f(r, c) for every element, rows in parallel, panels inside. */
template <class F>
void for_each_element(std::int64_t rows, std::int64_t columns, F&& f) {
  parallel_for(rows, grain_of(columns),
               [&](std::int64_t begin, std::int64_t end) {
                 for_each_panel(begin, end, columns,
                                [&](std::int64_t r0, std::int64_t r1,
                                    std::int64_t first, auto width) {
                                  for (std::int64_t r = r0; r < r1; ++r) {
                                    for (std::int64_t c = 0; c < width; ++c) {
                                      f(r, first + c);
                                    }
                                  }
                                });
               });
}

/**
 * out[c] = sum over r of x[r, c]: the gradient of a bias.
 *
 * x (rows, columns), out (columns). T is float or double.
 */
template <class T>
void sum_columns(std::int64_t rows, std::int64_t columns, const T* x, T* out);

/**
 * y[r, c] = x[c].
 *
 * x (columns), y (rows, columns).
 */
template <class T>
void repeat_row(std::int64_t rows, std::int64_t columns, const T* x, T* y);

}  // namespace mjolnir::kernels
