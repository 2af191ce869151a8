#include "core/kernels/shifts.h"

#include <algorithm>
#include <vector>

#include "core/detail/parallel.h"
#include "core/detail/scratch.h"
#include "core/kernels/gemm.h"

namespace mjolnir::kernels {
namespace {

constexpr std::int64_t chunk_bytes = 1 << 20;  // of a core's second-level cache
constexpr std::int64_t scratch_bytes = 64 << 20;
constexpr std::int64_t everywhere = -1;

// One C x C product: sum of x(u) x(u + delta)^T over all pixels u, or those of
// one border row, one column, or where both meet.
struct Term {
  std::int64_t dh, dw;  // delta in cells of the window
  std::int64_t row = everywhere;
  std::int64_t column = everywhere;
};

struct Plan {
  ConvSizes sizes;
  std::vector<Term> terms;

  std::int64_t shift_h(const Term& t) const {
    return t.dh * sizes.window.dilation_h;
  }
  std::int64_t shift_w(const Term& t) const {
    return t.dw * sizes.window.dilation_w;
  }
  // Zeros after each row and each image, so that a shifted pixel outside the
  // image is a zero.
  std::int64_t pitch_w() const {
    return sizes.in_w + (sizes.window.kernel_w - 1) * sizes.window.dilation_w;
  }
  std::int64_t pitch_h() const {
    return sizes.in_h + (sizes.window.kernel_h - 1) * sizes.window.dilation_h;
  }
  // True if the positions of window row (column) a do not reach image row r.
  bool misses_row(std::int64_t a, std::int64_t r) const {
    const std::int64_t first =
        a * sizes.window.dilation_h - sizes.window.pad_top;
    return r < first || r >= first + sizes.out_h();
  }
  bool misses_column(std::int64_t a, std::int64_t c) const {
    const std::int64_t first =
        a * sizes.window.dilation_w - sizes.window.pad_left;
    return c < first || c >= first + sizes.out_w();
  }
};

// Rows r (columns) that a block with this delta leaves out although both
// pixels of the product lie in the image.
template <class Misses>
std::vector<std::int64_t> left_out(std::int64_t length, std::int64_t cells,
                                   std::int64_t delta, std::int64_t dilation,
                                   Misses misses) {
  std::vector<std::int64_t> out;
  for (std::int64_t r = 0; r < length; ++r) {
    const std::int64_t other = r + delta * dilation;
    if (other < 0 || other >= length) continue;
    bool any = false;
    for (std::int64_t a = std::max<std::int64_t>(0, -delta);
         a < cells - std::max<std::int64_t>(0, delta); ++a)
      any = any || misses(a, r);
    if (any) out.push_back(r);
  }
  return out;
}

Plan make_plan(const ConvSizes& sizes) {
  Plan plan;
  plan.sizes = sizes;
  const Conv2dGeometry& w = sizes.window;
  for (std::int64_t dh = 0; dh < w.kernel_h; ++dh)
    for (std::int64_t dw = dh == 0 ? 0 : 1 - w.kernel_w; dw < w.kernel_w;
         ++dw) {
      const auto rows = left_out(sizes.in_h, w.kernel_h, dh, w.dilation_h,
                                 [&](std::int64_t a, std::int64_t r) {
                                   return plan.misses_row(a, r);
                                 });
      const auto columns = left_out(sizes.in_w, w.kernel_w, dw, w.dilation_w,
                                    [&](std::int64_t a, std::int64_t c) {
                                      return plan.misses_column(a, c);
                                    });
      plan.terms.push_back({dh, dw, everywhere, everywhere});
      for (const std::int64_t r : rows)
        plan.terms.push_back({dh, dw, r, everywhere});
      for (const std::int64_t c : columns)
        plan.terms.push_back({dh, dw, everywhere, c});
      for (const std::int64_t r : rows)
        for (const std::int64_t c : columns)
          plan.terms.push_back({dh, dw, r, c});
    }
  return plan;
}

// frame (images, pitch_h, pitch_w, C): the images with zeros between.
template <class T>
void fill_frame(const Plan& plan, std::int64_t images, const T* x, T* frame) {
  const std::int64_t c = plan.sizes.in_channels;
  const std::int64_t row = plan.sizes.in_w * c;
  const std::int64_t gap = plan.pitch_w() * c - row;
  const std::int64_t below =
      (plan.pitch_h() - plan.sizes.in_h) * plan.pitch_w() * c;
  for (std::int64_t n = 0; n < images; ++n) {
    for (std::int64_t h = 0; h < plan.sizes.in_h; ++h) {
      frame = std::copy_n(x, row, frame);
      frame = std::fill_n(frame, gap, T(0));
      x += row;
    }
    frame = std::fill_n(frame, below, T(0));
  }
}

// sums (terms, C, C) += this chunk's products. strip: room for two rows of
// every image, (2, images, W, C).
template <class T>
void add_terms(const Plan& plan, std::int64_t images, const T* frame, T* strip,
               T* sums) {
  const std::int64_t c = plan.sizes.in_channels;
  const std::int64_t width = plan.sizes.in_w;
  const std::int64_t row = plan.pitch_w() * c;
  const std::int64_t image = plan.pitch_h() * row;
  // to (C,C) += u (count,C)^T * v (count,C), rows `stride` apart.
  const auto add = [c](const T* u, const T* v, std::int64_t count,
                       std::int64_t stride, T* to) {
    gemm<T>(true, false, c, c, count, T(1), u, stride, v, stride, T(1), to, c);
  };
  const std::int64_t last_pixel =
      ((images - 1) * plan.pitch_h() + plan.sizes.in_h - 1) * plan.pitch_w() +
      width;
  for (const Term& t : plan.terms) {
    const std::int64_t shift = plan.shift_h(t) * row + plan.shift_w(t) * c;
    const T* u = frame + std::max<std::int64_t>(t.row, 0) * row +
                 std::max<std::int64_t>(t.column, 0) * c;
    if (t.row == everywhere && t.column == everywhere) {
      add(u, u + shift, last_pixel, c, sums);
    } else if (t.row == everywhere) {
      add(u, u + shift, (images - 1) * plan.pitch_h() + plan.sizes.in_h, row,
          sums);
    } else if (t.column == everywhere) {
      T* a = strip;
      T* b = strip + images * width * c;
      for (std::int64_t n = 0; n < images; ++n) {
        a = std::copy_n(u + n * image, width * c, a);
        b = std::copy_n(u + shift + n * image, width * c, b);
      }
      add(strip, strip + images * width * c, images * width, c, sums);
    } else {
      add(u, u + shift, images, image, sums);
    }
    sums += c * c;
  }
}

// block (C,C) of S for window cell (h, w) and the terms of one delta.
template <class T>
void sum_block(const Plan& plan, std::size_t first, std::int64_t h,
               std::int64_t w, const T* sums, T* block) {
  const std::int64_t square = plan.sizes.in_channels * plan.sizes.in_channels;
  const Term& full = plan.terms[first];
  std::copy_n(sums + std::int64_t(first) * square, square, block);
  for (std::size_t i = first + 1; i < plan.terms.size(); ++i) {
    const Term& t = plan.terms[i];
    if (t.dh != full.dh || t.dw != full.dw) break;
    const bool row = t.row != everywhere;
    const bool column = t.column != everywhere;
    if (row && !plan.misses_row(h, t.row)) continue;
    if (column && !plan.misses_column(w, t.column)) continue;
    const T* part = sums + std::int64_t(i) * square;
    const T sign = row && column ? T(1) : T(-1);
    for (std::int64_t k = 0; k < square; ++k) block[k] += sign * part[k];
  }
}

// S += the blocks (a, b) and (b, a) for all cells a, b = a + delta.
template <class T>
void assemble(const Plan& plan, std::size_t first, const T* sums, T* block,
              T* s) {
  const Conv2dGeometry& win = plan.sizes.window;
  const std::int64_t c = plan.sizes.in_channels;
  const std::int64_t d = plan.sizes.patch();
  const Term& t = plan.terms[first];
  for (std::int64_t h = 0; h + t.dh < win.kernel_h; ++h)
    for (std::int64_t w = std::max<std::int64_t>(0, -t.dw);
         w < win.kernel_w - std::max<std::int64_t>(0, t.dw); ++w) {
      sum_block(plan, first, h, w, sums, block);
      const std::int64_t a = (h * win.kernel_w + w) * c;
      const std::int64_t b = ((h + t.dh) * win.kernel_w + w + t.dw) * c;
      for (std::int64_t i = 0; i < c; ++i)
        for (std::int64_t j = a == b ? i : 0; j < c; ++j) {
          s[(a + i) * d + b + j] += block[i * c + j];
          if (a != b || i != j) s[(b + j) * d + a + i] += block[i * c + j];
        }
    }
}

}  // namespace

bool prefers_shifts(const ConvSizes& sizes, std::size_t element_bytes) {
  const Conv2dGeometry& w = sizes.window;
  if (w.groups != 1 || w.stride_h != 1 || w.stride_w != 1) return false;
  if (w.kernel_h * w.kernel_w == 1 || sizes.in_channels < 16) return false;
  // Else S is a small difference of large sums.
  if (2 * sizes.out_h() * sizes.out_w() < sizes.in_h * sizes.in_w) return false;
  if (sizes.in_h < 2 * (w.kernel_h - 1) * w.dilation_h ||
      sizes.in_w < 2 * (w.kernel_w - 1) * w.dilation_w)
    return false;
  const Plan plan = make_plan(sizes);
  const std::int64_t frame =
      plan.pitch_h() * plan.pitch_w() * sizes.in_channels;
  const std::int64_t products =
      std::int64_t(plan.terms.size()) * sizes.in_channels * sizes.in_channels;
  return (frame + products) * std::int64_t(element_bytes) *
             detail::threads_for(sizes.batch, 1) <=
         scratch_bytes;
}

template <class T>
void add_shift_gram(const ConvSizes& sizes, const T* x, T* s) {
  if (sizes.batch == 0) return;
  const Plan plan = make_plan(sizes);
  const std::int64_t c = sizes.in_channels;
  const std::int64_t image = sizes.in_h * sizes.in_w * c;
  const std::int64_t framed = plan.pitch_h() * plan.pitch_w() * c;
  const std::int64_t products = std::int64_t(plan.terms.size()) * c * c;
  const std::int64_t threads = detail::threads_for(sizes.batch, 1);
  const std::int64_t chunk =
      std::clamp<std::int64_t>(chunk_bytes / (framed * std::int64_t(sizeof(T))),
                               1, (sizes.batch + threads - 1) / threads);
  const std::int64_t strip = 2 * chunk * sizes.in_w * c;
  const std::int64_t room = chunk * framed + strip;
  const Scratch<T> rooms(threads * room);
  const Scratch<T> sums(threads * products);
  parallel_for(threads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      T* const frame = rooms.data() + t * room;
      T* const own = sums.data() + t * products;
      std::fill_n(own, products, T(0));
      const std::int64_t stop = sizes.batch * (t + 1) / threads;
      for (std::int64_t n = sizes.batch * t / threads; n < stop; n += chunk) {
        const std::int64_t images = std::min(chunk, stop - n);
        fill_frame(plan, images, x + n * image, frame);
        add_terms(plan, images, frame, frame + chunk * framed, own);
      }
    }
  });
  for (std::int64_t t = 1; t < threads; ++t)
    for (std::int64_t i = 0; i < products; ++i)
      sums[i] += sums[t * products + i];
  const Scratch<T> block(c * c);
  for (std::size_t i = 0; i < plan.terms.size(); ++i)
    if (plan.terms[i].row == everywhere && plan.terms[i].column == everywhere)
      assemble(plan, i, sums.data(), block.data(), s);
}

template void add_shift_gram(const ConvSizes&, const float*, float*);
template void add_shift_gram(const ConvSizes&, const double*, double*);

}  // namespace mjolnir::kernels
