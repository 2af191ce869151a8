#include "core/detail/elementwise.h"

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/trace.h>

#include "core/detail/axes.h"
#include "core/detail/check.h"
#include "core/detail/dispatch.h"

namespace mjolnir::detail {

Tensor map(kernels::Unary f, const Tensor& x, kernels::Constants constants) {
  const Tensor y = Tensor::empty_like(x);
  const std::int64_t n = x.numel();
  if (x.dtype() == DType::F32 && backend() == Backend::Auto) {
    kernels::map_fast(f, constants, n, x.data<float>(),
                      y.mutable_data<float>());
    return y;
  }
  dispatch_float("map", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::map(f, constants, n, x.data<T>(), y.mutable_data<T>());
  });
  return y;
}

Tensor map_gradient(kernels::Unary f, const Tensor& saved, const Tensor& dy,
                    kernels::Constants constants, bool overwrite) {
  const Tensor same = dy.to(saved.layout());
  const Tensor dx = overwrite ? same : Tensor::empty_like(saved);
  const std::int64_t n = saved.numel();
  if (saved.dtype() == DType::F32 && backend() == Backend::Auto) {
    kernels::map_gradient_fast(f, constants, n, saved.data<float>(),
                               same.data<float>(), dx.mutable_data<float>());
    return dx;
  }
  dispatch_float("map", saved.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::map_gradient(f, constants, n, saved.data<T>(), same.data<T>(),
                          dx.mutable_data<T>());
  });
  return dx;
}

Tensor zip(const char* op, kernels::Binary f, const Tensor& a,
           const Tensor& b) {
  const Shape shape = broadcast_shape(op, a.shape(), b.shape());
  TensorOptions options = a.options();
  options.layout = shape.rank() == 4 ? common_layout(a, b) : Layout::RowMajor;
  const Tensor y = Tensor::empty(shape, options);
  const kernels::LoopNest nest =
      broadcast_nest(shape, options.layout, {&a, &b});
  if (a.dtype() == DType::F32 && backend() == Backend::Auto) {
    kernels::zip_fast(f, nest, a.data<float>(), b.data<float>(),
                      y.mutable_data<float>());
    return y;
  }
  dispatch_float(op, a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::zip(f, nest, a.data<T>(), b.data<T>(), y.mutable_data<T>());
  });
  return y;
}

Tensor greater_equal(const Tensor& a, const Tensor& b) {
  const Shape shape = broadcast_shape("greater_equal", a.shape(), b.shape());
  TensorOptions options;
  options.dtype = DType::U8;
  options.layout = shape.rank() == 4 ? common_layout(a, b) : Layout::RowMajor;
  const Tensor y = Tensor::empty(shape, options);
  const kernels::LoopNest nest =
      broadcast_nest(shape, options.layout, {&a, &b});
  dispatch_float("greater_equal", a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::greater_equal(nest, a.data<T>(), b.data<T>(),
                           y.mutable_data<std::uint8_t>());
  });
  return y;
}

Tensor unary(const char* name, kernels::Unary f, const Tensor& x,
             Derivative derivative) {
  check_floating(name, x);
  const Tensor y = map(f, x, {});
  const Saved saved =
      kernels::gradient_from_output(f) ? Saved::output(y) : Saved(x);
  return make_op(
      name, {x}, y,
      [f, saved, derivative](const Tensor& dy, const BackwardContext& context) {
        const Tensor kept = saved.get();
        return std::vector<Tensor>{
            grad_enabled()
                ? derivative(kept, dy)
                : map_gradient(f, kept, dy, {}, context.may_overwrite())};
      });
}

// Linear in dy, so it is its own gradient.
Tensor piecewise_gradient(kernels::Unary f, kernels::Constants constants,
                          const Saved& saved, const Tensor& dy,
                          bool overwrite) {
  const Tensor dx = map_gradient(f, saved.get(), dy, constants, overwrite);
  if (!grad_enabled()) return dx;
  return make_op(
      "piecewise_gradient", {dy}, dx,
      [f, constants, saved](const Tensor& ddx, const BackwardContext&) {
        return std::vector<Tensor>{
            piecewise_gradient(f, constants, saved, ddx)};
      });
}

Tensor piecewise(const char* name, kernels::Unary f, const Tensor& x,
                 kernels::Constants constants) {
  check_floating(name, x);
  const Tensor y = map(f, x, constants);
  const Saved saved(kernels::gradient_from_output(f) ? y.detach() : x);
  if (tracing()) trace_note(y, {{"p", constants.p}, {"q", constants.q}});
  return make_op(
      name, {x}, y,
      [f, constants, saved](const Tensor& dy, const BackwardContext& context) {
        return std::vector<Tensor>{piecewise_gradient(f, constants, saved, dy,
                                                      context.may_overwrite())};
      });
}

}  // namespace mjolnir::detail
