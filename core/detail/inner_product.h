#pragma once

#include <mjolnir/core/tensor.h>

#include "core/detail/dispatch.h"
#include "core/kernels/sums.h"

namespace mjolnir::detail {

/** sum of x_i y_i in double, of two tensors of one dtype and memory order. */
inline double inner_product(const Tensor& x, const Tensor& y) {
  return dispatch_float("inner_product", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    return kernels::dot(x.numel(), x.data<T>(), y.data<T>());
  });
}

}  // namespace mjolnir::detail
