#include "core/kernels/displacements.h"

namespace mjolnir::kernels {

WindowAxis height_axis(const ConvSizes& s) {
  return {s.in_h,
          s.window.kernel_h,
          s.window.stride_h,
          s.window.dilation_h,
          s.window.pad_top,
          s.out_h()};
}

WindowAxis width_axis(const ConvSizes& s) {
  return {s.in_w,
          s.window.kernel_w,
          s.window.stride_w,
          s.window.dilation_w,
          s.window.pad_left,
          s.out_w()};
}

std::vector<AxisTerm> axis_terms(const WindowAxis& axis, std::int64_t delta) {
  const std::int64_t shift = delta * axis.dilation;
  const std::int64_t low = std::max<std::int64_t>(0, -shift);
  const std::int64_t high = std::min(axis.length, axis.length - shift);
  const std::int64_t first_cell = std::max<std::int64_t>(0, -delta);
  const std::int64_t last_cell =
      axis.cells - std::max<std::int64_t>(0, delta) - 1;
  // Cells a with u + pad = stride t + dilation a for a position t.
  const auto cells_at = [&](std::int64_t u, std::vector<std::int64_t>& cells) {
    cells.clear();
    const std::int64_t padded = u + axis.pad;
    const std::int64_t above = padded - axis.stride * (axis.positions - 1);
    const std::int64_t first =
        above <= 0 ? 0 : (above + axis.dilation - 1) / axis.dilation;
    const std::int64_t last = std::min(last_cell, padded / axis.dilation);
    for (std::int64_t a = std::max(first, first_cell); a <= last; ++a) {
      if ((padded - axis.dilation * a) % axis.stride == 0) cells.push_back(a);
    }
  };
  std::vector<AxisTerm> terms;
  std::vector<std::int64_t> cells;
  for (std::int64_t from = low; from < std::min(high, low + axis.stride);
       ++from) {
    bool open = false;  // the last term may go on
    for (std::int64_t u = from; u < high; u += axis.stride) {
      cells_at(u, cells);
      if (open && cells == terms.back().cells) {
        terms.back().end = u + 1;
      } else {
        open = !cells.empty();
        if (open) terms.push_back({u, u + 1, axis.stride, cells});
      }
    }
  }
  return terms;
}

std::vector<DisplacementTerm> displacement_terms(const WindowAxis& height,
                                                 const WindowAxis& width) {
  std::vector<std::vector<AxisTerm>> rows;
  for (std::int64_t dh = 0; dh < height.cells; ++dh)
    rows.push_back(axis_terms(height, dh));
  std::vector<DisplacementTerm> terms;
  for (std::int64_t dw = 1 - width.cells; dw < width.cells; ++dw) {
    const std::vector<AxisTerm> columns = axis_terms(width, dw);
    for (std::int64_t dh = dw < 0 ? 1 : 0; dh < height.cells; ++dh)
      for (const AxisTerm& row : rows[std::size_t(dh)])
        for (const AxisTerm& column : columns)
          terms.push_back({dh, dw, row, column});
  }
  return terms;
}

template <class T>
void add_products(const TermRange& range, std::int64_t window_columns,
                  std::int64_t n, const T* products, std::int64_t d, T* s) {
  // Threads share the rows of the blocks: terms share blocks.
  parallel_for(n, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::size_t k = range.first; k < range.last; ++k) {
      const DisplacementTerm& t = range.terms[k];
      const T* const product = products + std::int64_t(k - range.first) * n * n;
      for (const std::int64_t h : t.rows.cells)
        for (const std::int64_t w : t.columns.cells) {
          const std::int64_t a = (h * window_columns + w) * n;
          const std::int64_t b = a + (t.dh * window_columns + t.dw) * n;
          for (std::int64_t i = begin; i < end; ++i) {
            T* const to = s + (a + i) * d + b;
            const T* const from = product + i * n;
            for (std::int64_t j = t.is_symmetric() ? i : 0; j < n; ++j)
              to[j] += from[j];
          }
        }
    }
  });
}

TermSplit split_terms(std::int64_t groups, std::int64_t rows, std::int64_t room,
                      std::int64_t terms, std::int64_t n, std::int64_t limit) {
  TermSplit split;
  split.room = room;
  split.n = n;
  split.by_group = shares_groups(groups);
  split.threads = split.by_group ? num_threads() : detail::threads_for(rows, 1);
  // In double: n x n may be more than any memory.
  const double square = double(n) * double(n);
  if (double(split.threads) * (double(room) + square) > double(limit)) {
    split.by_group = false;
    split.threads = 1;  // the products themselves use all threads
  }
  const double left = double(limit) / double(split.threads) - double(room);
  split.terms = std::max<std::int64_t>(
      1, std::int64_t(std::min(double(terms), left / square)));
  return split;
}

template void add_products(const TermRange&, std::int64_t, std::int64_t,
                           const float*, std::int64_t, float*);
template void add_products(const TermRange&, std::int64_t, std::int64_t,
                           const double*, std::int64_t, double*);

}  // namespace mjolnir::kernels
