#include "core/kernels/rows.h"

#include <algorithm>

#include "core/kernels/displacements.h"
#include "core/kernels/gemm.h"

namespace mjolnir::kernels {
namespace {

constexpr std::int64_t band_bytes = 1 << 20;  // of a core's second-level cache

struct Plan {
  ConvSizes sizes;
  ConvSizes single;  // windows of one row, on every row of x
  std::vector<DisplacementTerm> terms;
  std::vector<char> used;  // rows of an image that a window reaches
  TermSplit split;
  std::int64_t halo = 0;       // rows that a window reaches below its first
  std::int64_t band_rows = 0;  // without the halo

  std::int64_t positions() const { return sizes.out_w(); }
  std::int64_t columns() const { return single.patch(); }
};

Plan make_plan(const ConvSizes& sizes, std::int64_t element_bytes,
               std::int64_t limit) {
  Plan plan;
  plan.sizes = plan.single = sizes;
  Conv2dGeometry& w = plan.single.window;
  w.kernel_h = w.stride_h = w.dilation_h = 1;
  w.pad_top = w.pad_bottom = 0;
  WindowAxis width;  // a patch along the width is one cell
  width.length = width.positions = plan.positions();
  plan.terms = displacement_terms(height_axis(sizes), width);
  plan.used.assign(std::size_t(sizes.in_h), 0);
  for (const DisplacementTerm& t : plan.terms)
    for (std::int64_t h = t.rows.begin; h < t.rows.end; h += t.rows.step) {
      plan.used[std::size_t(h)] = 1;
      plan.used[std::size_t(h + t.dh * sizes.window.dilation_h)] = 1;
    }
  plan.halo = std::min((sizes.window.kernel_h - 1) * sizes.window.dilation_h,
                       sizes.in_h - 1);
  const std::int64_t row = plan.positions() * plan.columns();
  const std::int64_t numbers = limit / element_bytes;
  const std::int64_t wanted =
      std::max(band_bytes / element_bytes / row - plan.halo, 4 * plan.halo);
  const std::int64_t fitting = numbers / (2 * num_threads() * row) - plan.halo;
  plan.band_rows =
      std::clamp<std::int64_t>(std::min(wanted, fitting), 1, sizes.in_h);
  plan.split =
      split_terms(sizes.window.groups, sizes.batch * sizes.in_h,
                  (plan.band_rows + plan.halo) * row,
                  std::int64_t(plan.terms.size()), plan.columns(), numbers);
  return plan;
}

// Where the rows of a band lie: those that one window row reaches in turn,
// `stride` apart, are neighbours.
struct Band {
  std::int64_t first, count, stride;

  std::int64_t slot(std::int64_t h) const {
    const std::int64_t residue = (h - first) % stride;
    return residue * (count / stride) + std::min(residue, count % stride) +
           (h - first) / stride;
  }
};

// products += what rows [top, bottom) of image n give as the first of a pair.
template <class T>
void add_band(const Plan& plan, std::int64_t group, const T* x, std::int64_t n,
              std::int64_t top, std::int64_t bottom, const TermRange& range,
              T* patches, T* products) {
  const Conv2dGeometry& w = plan.sizes.window;
  const std::int64_t in_h = plan.sizes.in_h;
  const std::int64_t e = plan.columns();
  const std::int64_t positions = plan.positions();
  const Band band{top, std::min(in_h, bottom + plan.halo) - top, w.stride_h};
  const auto at = [&](std::int64_t h) {
    return patches + band.slot(h) * positions * e;
  };
  const auto copy = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t h = top + begin; h < top + end; ++h)
      if (plan.used[std::size_t(h)] != 0) {
        const std::int64_t r = (n * in_h + h) * positions;
        gather_patches(plan.single, group, x, r, r + positions, at(h));
      }
  };
  parallel_for(band.count, (64 + positions - 1) / positions, copy);
  for (std::size_t i = range.first; i < range.last; ++i, products += e * e) {
    const DisplacementTerm& t = range.terms[i];
    std::int64_t first = t.rows.begin;
    if (first < top)
      first += (top - first + t.rows.step - 1) / t.rows.step * t.rows.step;
    const std::int64_t end = std::min(t.rows.end, bottom);
    if (first >= end) continue;
    const std::int64_t count =
        ((end - first - 1) / t.rows.step + 1) * positions;
    if (t.is_symmetric()) {
      add_gram_upper(count, e, at(first), e, products);
    } else {
      // product (e,e) += rows (count,e)^T * rows dh below (count,e)
      gemm<T>(true, false, e, e, count, T(1), at(first), e,
              at(first + t.dh * w.dilation_h), e, T(1), products, e);
    }
  }
}

}  // namespace

template <class T>
void add_row_gram(const ConvSizes& sizes, const T* x, T* s,
                  std::int64_t limit) {
  if (sizes.batch == 0) return;
  const Plan plan = make_plan(sizes, sizeof(T), limit);
  sum_terms<T>(
      plan.split, sizes.window.groups, sizes.batch * sizes.in_h, plan.terms, 1,
      sizes.patch(),
      [&](std::int64_t group, std::int64_t begin, std::int64_t end,
          const TermRange& range, T* room, T* products) {
        while (begin < end) {
          const std::int64_t n = begin / sizes.in_h;
          const std::int64_t top = begin % sizes.in_h;
          const std::int64_t bottom =
              std::min({top + plan.band_rows, sizes.in_h, top + end - begin});
          add_band(plan, group, x, n, top, bottom, range, room, products);
          begin += bottom - top;
        }
      },
      s);
}

GramCost row_gram_cost(const ConvSizes& sizes, std::int64_t element_bytes,
                       std::int64_t limit) {
  const Plan plan = make_plan(sizes, element_bytes, limit);
  const std::int64_t e = plan.columns();
  const double product = product_work(e, e);
  double rows = 0, calls = 0;  // of products, per image
  for (const DisplacementTerm& t : plan.terms) {
    rows += double(t.rows.count()) * (t.is_symmetric() && e > 96 ? 0.6 : 1.0);
    calls += double((t.rows.end - t.rows.begin - 1) / plan.band_rows + 1);
  }
  const double copied =
      double(std::count(plan.used.begin(), plan.used.end(), 1)) *
      (1 + double(plan.halo) / double(plan.band_rows));
  GramCost cost;
  cost.work = double(sizes.window.groups) * double(sizes.batch) *
              (double(plan.positions()) *
                   (rows * product + copied * copy_work * double(e)) +
               calls * call_work);
  cost.scratch_bytes = plan.split.numbers() * element_bytes;
  return cost;
}

template void add_row_gram(const ConvSizes&, const float*, float*,
                           std::int64_t);
template void add_row_gram(const ConvSizes&, const double*, double*,
                           std::int64_t);

}  // namespace mjolnir::kernels
