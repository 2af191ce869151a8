#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <mjolnir/core/threads.h>

#include "core/detail/parallel.h"
#include "core/detail/scratch.h"
#include "core/kernels/gram.h"
#include "core/kernels/mirror.h"

/**
 * Sums of x(t + a) x(t + b)^T over window positions t, for all pairs of window
 * cells a and b, by displacement. All blocks (a, b) with the same b - a are
 * window sums of one field of products, x(u) x(u + delta)^T, and differ only
 * by which rows and columns of u a window cell reaches. So the image is cut,
 * for each delta, into rectangles that the same cells reach; each is summed
 * once and added to the blocks of its cells. Nothing is subtracted, hence
 * nothing cancels.
 */
namespace mjolnir::kernels {

/** One axis of a window that moves over an image. */
struct WindowAxis {
  std::int64_t length = 0;     ///< Of the image.
  std::int64_t cells = 1;      ///< Of the window.
  std::int64_t stride = 1;     ///< From window to window.
  std::int64_t dilation = 1;   ///< From cell to cell.
  std::int64_t pad = 0;        ///< Before the image.
  std::int64_t positions = 0;  ///< Of the window.
};

WindowAxis height_axis(const ConvSizes& sizes);
WindowAxis width_axis(const ConvSizes& sizes);

/** Rows (or columns) begin, begin + step, ... below end, which just these cells
 * of the window reach. */
struct AxisTerm {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t step = 1;
  std::vector<std::int64_t> cells;

  std::int64_t count() const noexcept { return (end - begin - 1) / step + 1; }
};

/** The rows u that some cells a reach whose cell a + delta exists and reaches
 * a row of the image too, by the cells a; step is the axis's stride. */
std::vector<AxisTerm> axis_terms(const WindowAxis& axis, std::int64_t delta);

/** One product: the sum of x(u) x(u + (dh, dw))^T over u in rows x columns. */
struct DisplacementTerm {
  std::int64_t dh = 0, dw = 0;  ///< In cells of the window.
  AxisTerm rows, columns;

  /** True for x(u) x(u)^T, of which the upper triangle is enough. */
  bool is_symmetric() const noexcept { return dh == 0 && dw == 0; }
  /** Pixels u of one image. */
  std::int64_t pixels() const noexcept {
    return rows.count() * columns.count();
  }
};

/** The terms of all displacements dh >= 0, and dw >= 0 where dh = 0: the blocks
 * on and above the diagonal. Terms of one displacement are neighbours. */
std::vector<DisplacementTerm> displacement_terms(const WindowAxis& height,
                                                 const WindowAxis& width);

/** Some of the terms, whose products are summed at the same time. */
struct TermRange {
  const std::vector<DisplacementTerm>& terms;
  std::size_t first = 0, last = 0;
};

/**
 * s += each product in the blocks of its cells, on and above the diagonal.
 *
 * products (last - first, n, n), s (cells n, cells n) of a window with
 * `window_columns` columns.
 */
template <class T>
void add_products(const TermRange& range, std::int64_t window_columns,
                  std::int64_t n, const T* products, std::int64_t d, T* s);

/** Who sums what, and where: decided before anything is summed. */
struct TermSplit {
  std::int64_t threads = 1;
  bool by_group = false;   ///< Threads share groups, else rows.
  std::int64_t terms = 1;  ///< Products that exist at the same time.
  std::int64_t room = 0;   ///< Numbers of working memory of a thread.
  std::int64_t n = 0;      ///< A product is n x n.

  std::int64_t numbers() const noexcept {
    return threads * (room + terms * n * n);
  }
};

/** Fits the sums of `terms` products (n, n) over `rows` rows of every group
 * into `limit` numbers if it can; the least is one product at a time. */
TermSplit split_terms(std::int64_t groups, std::int64_t rows, std::int64_t room,
                      std::int64_t terms, std::int64_t n, std::int64_t limit);

/**
 * s += the terms of every group: run(group, begin, end, range, room, products)
 * adds what rows [begin, end) of all N H rows give.
 *
 * s (groups, d, d), symmetric.
 */
template <class T, class Run>
void sum_terms(const TermSplit& split, std::int64_t groups, std::int64_t rows,
               const std::vector<DisplacementTerm>& terms,
               std::int64_t window_columns, std::int64_t d, Run run, T* s) {
  const std::int64_t square = split.n * split.n;
  const Scratch<T> sums(split.threads * split.terms * square);
  const Scratch<T> rooms(split.threads * split.room);
  const auto room_of = [&](std::int64_t t) {
    return rooms.data() + t * split.room;
  };
  const auto sums_of = [&](std::int64_t t) {
    return sums.data() + t * split.terms * square;
  };
  const auto finish = [&](std::int64_t group, const auto& sum_range,
                          T* products) {
    T* const to = s + group * d * d;
    for (std::size_t first = 0; first < terms.size();
         first += std::size_t(split.terms)) {
      const TermRange range{
          terms, first,
          std::min(terms.size(), first + std::size_t(split.terms))};
      sum_range(range);
      add_products(range, window_columns, split.n, products, d, to);
    }
    mirror(Triangle::Upper, d, to);
  };
  const auto zero = [&](const TermRange& range, T* products) {
    std::fill_n(products, std::int64_t(range.last - range.first) * square,
                T(0));
  };
  if (split.by_group) {
    return parallel_for(
        split.threads, 1, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t t = begin; t < end; ++t) {
            T* const own = sums_of(t);
            const std::int64_t stop = groups * (t + 1) / split.threads;
            for (std::int64_t g = groups * t / split.threads; g < stop; ++g) {
              finish(
                  g,
                  [&](const TermRange& range) {
                    zero(range, own);
                    run(g, std::int64_t{0}, rows, range, room_of(t), own);
                  },
                  own);
            }
          }
        });
  }
  for (std::int64_t g = 0; g < groups; ++g) {
    finish(
        g,
        [&](const TermRange& range) {
          parallel_for(split.threads, 1,
                       [&](std::int64_t begin, std::int64_t end) {
                         for (std::int64_t t = begin; t < end; ++t) {
                           zero(range, sums_of(t));
                           run(g, rows * t / split.threads,
                               rows * (t + 1) / split.threads, range,
                               room_of(t), sums_of(t));
                         }
                       });
          for (std::int64_t t = 1; t < split.threads; ++t) {
            add_to(std::int64_t(range.last - range.first) * square, sums_of(t),
                   sums_of(0));
          }
        },
        sums_of(0));
  }
}

}  // namespace mjolnir::kernels
