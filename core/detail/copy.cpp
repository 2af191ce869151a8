#include "core/detail/copy.h"

#include "core/detail/dispatch.h"
#include "core/kernels/shape.h"

namespace mjolnir::detail {

void copy_region(const Shape& shape, Layout layout, const Tensor& x,
                 const Strides& strides_x, std::int64_t first_x,
                 const Tensor& y, const Strides& strides_y,
                 std::int64_t first_y) {
  const auto order = memory_order(shape.rank(), layout);
  kernels::LoopNest nest;
  nest.rank = static_cast<int>(shape.rank());
  nest.operands = 2;
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    nest.lengths[i] = shape[order[i]];
    nest.strides[0][i] = strides_x[order[i]];
    nest.strides[1][i] = strides_y[order[i]];
  }
  nest.collapse();
  dispatch_any(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::copy(nest, x.data<T>() + first_x, y.mutable_data<T>() + first_y);
  });
}

void copy_broadcast(const Tensor& x, const Tensor& y) {
  const kernels::LoopNest nest =
      broadcast_nest(y.shape(), y.layout(), {&x, &y});
  dispatch_any(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::copy(nest, x.data<T>(), y.mutable_data<T>());
  });
}

}  // namespace mjolnir::detail
