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
      throw ShapeError("[" + std::string(op) + "] cannot broadcast " + a.str() +
                       " with " + b.str());
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

kernels::LoopNest broadcast_nest(const Shape& shape, Layout layout,
                                 const std::vector<Tensor>& operands) {
  const std::size_t rank = shape.rank();
  const auto order = memory_order(rank, layout);
  kernels::LoopNest nest;
  nest.rank = static_cast<int>(rank);
  nest.operands = static_cast<int>(operands.size());
  for (std::size_t k = 0; k < operands.size(); ++k) {
    const Shape& own = operands[k].shape();
    const Strides strides = strides_of(own, operands[k].layout());
    const std::size_t lead = rank - own.rank();
    for (std::size_t i = 0; i < rank; ++i) {
      const std::size_t axis = order[i];
      const bool repeats = axis < lead || own[axis - lead] == 1;
      nest.strides[k][i] = repeats ? 0 : strides[axis - lead];
    }
  }
  for (std::size_t i = 0; i < rank; ++i) nest.lengths[i] = shape[order[i]];
  nest.collapse();
  return nest;
}

}  // namespace mjolnir::detail
