#include "core/detail/reduce.h"

#include <numeric>
#include <string>
#include <vector>

#include "core/detail/axes.h"

namespace mjolnir::detail {

Reduced::Reduced(const char* op, const Shape& shape, const Axes& axes) {
  for (const std::int64_t axis : axes) {
    const std::size_t i = normalize_axis(op, axis, shape.rank());
    if (gone[i]) {
      throw ShapeError("[" + std::string(op) + "] axis " +
                       std::to_string(axis) + " is given twice for shape " +
                       shape.str());
    }
    gone[i] = true;
  }
  std::vector<std::int64_t> with_ones, without;
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    with_ones.push_back(gone[i] ? 1 : shape[i]);
    if (gone[i]) {
      count *= shape[i];
    } else {
      without.push_back(shape[i]);
    }
  }
  kept = Shape(with_ones);
  dropped = Shape(without);
}

Axes all_axes(const Shape& shape) {
  Axes axes(shape.rank());
  std::iota(axes.begin(), axes.end(), std::int64_t{0});
  return axes;
}

kernels::ReducePlan reduce_plan(const Tensor& x, const Reduced& reduced) {
  const Shape& shape = x.shape();
  const auto order = memory_order(shape.rank(), x.layout());
  kernels::ReducePlan plan;
  plan.rank = static_cast<int>(shape.rank());
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    plan.lengths[i] = shape[order[i]];
    plan.reduced[i] = reduced.gone[order[i]];
  }
  return plan;
}

Tensor reducible(const Tensor& x, const Reduced& reduced) {
  if (x.layout() == Layout::RowMajor) return x;
  const bool order_differs = layout_matters(reduced.kept);
  return order_differs ? x.to(Layout::RowMajor) : x;
}

}  // namespace mjolnir::detail
