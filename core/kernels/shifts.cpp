#include "core/kernels/shifts.h"

#include <algorithm>

#include "core/kernels/displacements.h"
#include "core/kernels/gemm.h"

namespace mjolnir::kernels {
namespace {

constexpr std::int64_t band_bytes = 1 << 19;  // with x, in second-level cache
constexpr std::int64_t least_band_pixels = 1024;
constexpr std::int64_t strip_bytes = 1 << 16;

// Columns and rows of every image.
struct Rectangle {
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;
};

struct Plan {
  ConvSizes sizes;
  std::vector<DisplacementTerm> terms;
  TermSplit split;
  std::int64_t band_rows = 0;
  std::int64_t strip_pixels = 0;

  // Where most pixels take part, the rest are multiplied by zeros rather than
  // all of them copied.
  bool is_masked(const DisplacementTerm& t) const {
    return 2 * t.pixels() > sizes.in_h * sizes.in_w;
  }
  std::int64_t band_numbers() const {
    return band_rows * sizes.in_w * sizes.group_inputs();
  }
};

Plan make_plan(const ConvSizes& sizes, std::int64_t element_bytes,
               std::int64_t limit) {
  Plan plan;
  plan.sizes = sizes;
  plan.terms = displacement_terms(height_axis(sizes), width_axis(sizes));
  const std::int64_t channels = sizes.group_inputs();
  const std::int64_t rows = sizes.batch * sizes.in_h;
  const std::int64_t row = sizes.in_w * channels;
  const std::int64_t numbers = limit / element_bytes;
  const std::int64_t wanted =
      std::max(band_bytes / element_bytes / row,
               (least_band_pixels + sizes.in_w - 1) / sizes.in_w);
  const std::int64_t fitting = numbers / (4 * num_threads() * row);
  plan.band_rows = std::max<std::int64_t>(
      1,
      std::min({wanted, fitting, (rows + num_threads() - 1) / num_threads()}));
  plan.strip_pixels = std::clamp<std::int64_t>(
      std::min(strip_bytes / element_bytes, numbers / (16 * num_threads())) /
          channels,
      16, 1024);
  plan.split =
      split_terms(sizes.window.groups, rows,
                  plan.band_numbers() + 2 * plan.strip_pixels * channels,
                  std::int64_t(plan.terms.size()), channels, numbers);
  return plan;
}

// What one thread does in one group: rows [begin, end) of all N H rows.
template <class T>
class Worker {
 public:
  Worker(const Plan& plan, std::int64_t group, const T* x, T* room)
      : plan_(plan),
        width_(plan.sizes.in_w),
        channels_(plan.sizes.group_inputs()),
        stride_(plan.sizes.in_channels),
        x_(x + group * plan.sizes.group_inputs()),
        band_(room),
        strip_(room + plan.band_numbers()) {}

  // products (last - first, C/g, C/g) += what these rows give.
  void add(std::int64_t begin, std::int64_t end, const TermRange& range,
           T* products) {
    for (; begin < end; begin = end_) {
      begin_ = begin;
      end_ = std::min(begin + plan_.band_rows, end);
      std::fill_n(band_, (end_ - begin_) * width_ * channels_, T(0));
      mask_ = Rectangle();
      T* product = products;
      for (std::size_t i = range.first; i < range.last; ++i) {
        const DisplacementTerm& term = range.terms[i];
        if (plan_.is_masked(term)) {
          add_masked(term, product);
        } else {
          add_strips(term, product);
        }
        product += channels_ * channels_;
      }
    }
  }

 private:
  std::int64_t shift_of(const DisplacementTerm& t) const {
    return t.dh * plan_.sizes.window.dilation_h * width_ +
           t.dw * plan_.sizes.window.dilation_w;
  }

  // to (count, C/g) = pixels of x from the first on.
  T* copy_pixels(std::int64_t first, std::int64_t count, T* to) const {
    const T* from = x_ + first * stride_;
    if (stride_ == channels_) return std::copy_n(from, count * channels_, to);
    for (std::int64_t i = 0; i < count; ++i, from += stride_)
      to = std::copy_n(from, channels_, to);
    return to;
  }

  // The band becomes x in this rectangle of each image, and 0 elsewhere.
  void set_mask(const Rectangle& next) {
    for (std::int64_t g = begin_; g < end_; ++g) {
      const std::int64_t h = g % plan_.sizes.in_h;
      const bool had = h >= mask_.top && h < mask_.bottom;
      const bool has = h >= next.top && h < next.bottom;
      const std::int64_t old_left = had ? mask_.left : 0;
      const std::int64_t old_right = had ? mask_.right : 0;
      const std::int64_t left = has ? next.left : 0;
      const std::int64_t right = has ? next.right : 0;
      T* const row = band_ + (g - begin_) * width_ * channels_;
      const auto clear = [&](std::int64_t from, std::int64_t to) {
        if (from < to)
          std::fill_n(row + from * channels_, (to - from) * channels_, T(0));
      };
      const auto copy = [&](std::int64_t from, std::int64_t to) {
        if (from < to)
          copy_pixels(g * width_ + from, to - from, row + from * channels_);
      };
      clear(old_left, std::min(old_right, left));
      clear(std::max(old_left, right), old_right);
      copy(left, std::min(right, old_left));
      copy(std::max(left, old_right), right);
    }
    mask_ = next;
  }

  // product += all pixels from the first to the last of the term, those that
  // are not in it being zero in the band.
  void add_masked(const DisplacementTerm& t, T* product) {
    const auto inside = [&](std::int64_t g) {
      const std::int64_t h = g % plan_.sizes.in_h;
      return h >= t.rows.begin && h < t.rows.end;
    };
    std::int64_t top = begin_, bottom = end_;
    while (top < bottom && !inside(top)) ++top;
    while (top < bottom && !inside(bottom - 1)) --bottom;
    if (top == bottom) return;
    set_mask({t.rows.begin, t.rows.end, t.columns.begin, t.columns.end});
    const std::int64_t first = top * width_ + t.columns.begin;
    const std::int64_t count = (bottom - 1) * width_ + t.columns.end - first;
    const T* const u = band_ + (first - begin_ * width_) * channels_;
    if (t.is_symmetric())
      return add_gram_upper(count, channels_, u, channels_, product);
    // product (C/g,C/g) += u (count,C/g)^T * displaced x (count,C/g)
    gemm<T>(true, false, channels_, channels_, count, T(1), u, channels_,
            x_ + (first + shift_of(t)) * stride_, stride_, T(1), product,
            channels_);
  }

  // product += the pixels of the term, copied together.
  void add_strips(const DisplacementTerm& t, T* product) {
    T* const other = strip_ + plan_.strip_pixels * channels_;
    std::int64_t filled = 0;
    const auto flush = [&] {
      if (t.is_symmetric()) {
        add_gram_upper(filled, channels_, strip_, channels_, product);
      } else {
        gemm<T>(true, false, channels_, channels_, filled, T(1), strip_,
                channels_, other, channels_, T(1), product, channels_);
      }
      filled = 0;
    };
    for (std::int64_t g = begin_; g < end_; ++g) {
      const std::int64_t h = g % plan_.sizes.in_h;
      if (h < t.rows.begin || h >= t.rows.end) continue;
      for (std::int64_t w = t.columns.begin; w < t.columns.end;) {
        const std::int64_t count =
            std::min(t.columns.end - w, plan_.strip_pixels - filled);
        const std::int64_t first = g * width_ + w;
        copy_pixels(first, count, strip_ + filled * channels_);
        if (!t.is_symmetric())
          copy_pixels(first + shift_of(t), count, other + filled * channels_);
        filled += count;
        w += count;
        if (filled == plan_.strip_pixels) flush();
      }
    }
    if (filled > 0) flush();
  }

  const Plan& plan_;
  std::int64_t width_, channels_, stride_;
  const T* x_;
  T* band_;
  T* strip_;
  std::int64_t begin_ = 0, end_ = 0;  // rows in the band
  Rectangle mask_;
};

}  // namespace

bool can_shift(const Conv2dGeometry& window) {
  return window.stride_h == 1 && window.stride_w == 1;
}

template <class T>
void add_shift_gram(const ConvSizes& sizes, const T* x, T* s,
                    std::int64_t limit) {
  if (sizes.batch == 0) return;
  const Plan plan = make_plan(sizes, sizeof(T), limit);
  sum_terms<T>(
      plan.split, sizes.window.groups, sizes.batch * sizes.in_h, plan.terms,
      sizes.window.kernel_w, sizes.patch(),
      [&](std::int64_t group, std::int64_t begin, std::int64_t end,
          const TermRange& range, T* room, T* products) {
        Worker<T>(plan, group, x, room).add(begin, end, range, products);
      },
      s);
}

GramCost shift_gram_cost(const ConvSizes& sizes, std::int64_t element_bytes,
                         std::int64_t limit) {
  const Plan plan = make_plan(sizes, element_bytes, limit);
  const std::int64_t channels = sizes.group_inputs();
  const double product = product_work(channels, channels);
  const double image = double(sizes.in_h) * double(sizes.in_w);
  // The band is filled once and changed a little for each displacement.
  double pixel_work = image * copy_work * double(channels);
  double blocks = 0;
  for (const DisplacementTerm& t : plan.terms) {
    const bool masked = plan.is_masked(t);
    const double pixels = masked ? image : double(t.pixels());
    pixel_work += pixels * (product + (masked ? 0.25 : 2.0) * copy_work *
                                          double(channels));
    blocks += double(t.rows.cells.size()) * double(t.columns.cells.size());
  }
  const double bands =
      double(sizes.batch) * double(sizes.in_h) / double(plan.band_rows);
  GramCost cost;
  cost.work = double(sizes.window.groups) *
              (double(sizes.batch) * pixel_work +
               bands * double(plan.terms.size()) * call_work +
               blocks * copy_work * double(channels) * double(channels));
  cost.scratch_bytes = plan.split.numbers() * element_bytes;
  return cost;
}

template void add_shift_gram(const ConvSizes&, const float*, float*,
                             std::int64_t);
template void add_shift_gram(const ConvSizes&, const double*, double*,
                             std::int64_t);

}  // namespace mjolnir::kernels
