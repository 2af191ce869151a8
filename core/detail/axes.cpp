#include "core/detail/axes.h"

#include <algorithm>

namespace mjolnir::detail {

Strides strides_of(const Shape& shape, Layout layout) {
  const auto order = memory_order(shape.rank(), layout);
  Strides strides{};
  std::int64_t stride = 1;
  for (std::size_t i = shape.rank(); i-- > 0;) {
    strides[order[i]] = stride;
    stride *= shape[order[i]];
  }
  return strides;
}

std::array<std::size_t, Shape::max_rank> memory_order(std::size_t rank,
                                                      Layout layout) {
  if (layout == Layout::ChannelsLast) return {0, 2, 3, 1};
  std::array<std::size_t, Shape::max_rank> order{};
  for (std::size_t i = 0; i < rank; ++i) order[i] = i;
  return order;
}

bool layout_matters(const Shape& shape) noexcept {
  return shape.rank() == 4 && shape[1] != 1 && shape[2] * shape[3] != 1;
}

Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
  if (a == b) return a;
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  std::vector<std::int64_t> lengths = longer.to_vector();
  const std::size_t lead = longer.rank() - shorter.rank();
  for (std::size_t i = 0; i < shorter.rank(); ++i) {
    std::int64_t& length = lengths[lead + i];
    if (length == 1) {
      length = shorter[i];
    } else if (shorter[i] != 1 && shorter[i] != length) {
      throw ShapeError("[" + std::string(op) +
                       "] expected shapes that broadcast, got " + a.str() +
                       " and " + b.str() +
                       "; axes are matched from the last, and must be equal "
                       "or 1");
    }
  }
  return Shape(lengths);
}

Layout common_layout(const std::vector<Tensor>& operands) {
  const Tensor* first = nullptr;
  for (const Tensor& x : operands) {
    if (x.rank() != 4) continue;
    if (layout_matters(x.shape())) return x.layout();
    if (first == nullptr) first = &x;
  }
  return first == nullptr ? Layout::RowMajor : first->layout();
}

Layout common_layout(const Tensor& a, const Tensor& b) {
  if (a.rank() != 4) return b.rank() == 4 ? b.layout() : Layout::RowMajor;
  if (b.rank() != 4 || a.layout() == b.layout()) return a.layout();
  return layout_matters(a.shape()) || !layout_matters(b.shape()) ? a.layout()
                                                                 : b.layout();
}

namespace {

// True if an operand lies in memory as an output of that shape does.
bool lies_alike(const Tensor& x, const Shape& shape, Layout layout) {
  return x.shape() == shape && (x.layout() == layout || !layout_matters(shape));
}

}  // namespace

kernels::LoopNest broadcast_nest(
    const Shape& shape, Layout layout,
    std::initializer_list<const Tensor*> operands) {
  const std::size_t rank = shape.rank();
  kernels::LoopNest nest;
  nest.operands = static_cast<int>(operands.size());
  if (std::all_of(operands.begin(), operands.end(), [&](const Tensor* x) {
        return lies_alike(*x, shape, layout);
      })) {
    nest.rank = 1;
    nest.lengths[0] = shape.numel();
    for (auto& strides : nest.strides) strides[0] = 1;
    return nest;
  }
  const auto order = memory_order(rank, layout);
  nest.rank = static_cast<int>(rank);
  std::size_t k = 0;
  for (const Tensor* x : operands) {
    const Shape& own = x->shape();
    const Strides strides = strides_of(own, x->layout());
    const std::size_t lead = rank - own.rank();
    for (std::size_t i = 0; i < rank; ++i) {
      const std::size_t axis = order[i];
      const bool repeats = axis < lead || own[axis - lead] == 1;
      nest.strides[k][i] = repeats ? 0 : strides[axis - lead];
    }
    ++k;
  }
  for (std::size_t i = 0; i < rank; ++i) nest.lengths[i] = shape[order[i]];
  nest.collapse();
  return nest;
}

}  // namespace mjolnir::detail
