#include <mjolnir/core/ops/pool.h>

#include <mjolnir/core/autograd.h>

#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/detail/image.h"
#include "core/detail/trace.h"
#include "core/detail/window.h"
#include "core/kernels/pool.h"

namespace mjolnir {
namespace {

using detail::empty_image;
using detail::input_shape;
using detail::output_shape;
using detail::prefix;
using kernels::ConvSizes;

ConvSizes check_sizes(const char* op, const Shape& x, const Conv2dGeometry& g) {
  detail::check_window(op, x, g);
  if (g.groups != 1) {
    throw ValueError(prefix(op) + "expected groups of 1, got " +
                     std::to_string(g.groups));
  }
  ConvSizes sizes;
  sizes.batch = x[0];
  sizes.in_h = x[2];
  sizes.in_w = x[3];
  sizes.in_channels = sizes.out_channels = x[1];
  sizes.window = g;
  return sizes;
}

void check_cells(const ConvSizes& s) {
  if (!kernels::every_window_has_a_cell(s)) {
    throw ValueError(
        "[max_pool2d] expected every window to hold a cell of x, got one that "
        "holds padding only; pad by less than the kernel");
  }
}

// The three steps of max pooling's derivatives are linear in their tensor and
// each other's adjoint: dx = scatter(dy), and y = gather(x) by the same index.
Tensor max_pool_gather(const Tensor& x, const Tensor& index,
                       const ConvSizes& sizes);

Tensor max_pool_scatter(const Tensor& dy, const Tensor& index,
                        const ConvSizes& sizes) {
  const Tensor dyc = dy.to(Layout::ChannelsLast);
  const Tensor dx = empty_image(input_shape(sizes), dy.dtype());
  dispatch_float("max_pool2d", dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::max_pool_backward(sizes, dyc.data<T>(), index.data<std::int64_t>(),
                               dx.mutable_data<T>());
  });
  return make_op(
      "max_pool2d_scatter", {dyc}, dx,
      [index, sizes](const Tensor& ddx, const BackwardContext&) {
        return std::vector<Tensor>{max_pool_gather(ddx, index, sizes)};
      });
}

Tensor max_pool_gather(const Tensor& x, const Tensor& index,
                       const ConvSizes& sizes) {
  const Tensor xc = x.to(Layout::ChannelsLast);
  const Tensor y = empty_image(output_shape(sizes), x.dtype());
  dispatch_float("max_pool2d", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::gather_elements(y.numel(), xc.data<T>(),
                             index.data<std::int64_t>(), y.mutable_data<T>());
  });
  return make_op(
      "max_pool2d_gather", {xc}, y,
      [index, sizes](const Tensor& dy, const BackwardContext&) {
        return std::vector<Tensor>{max_pool_scatter(dy, index, sizes)};
      });
}

// The adjoint of avg_pool2d.
Tensor avg_pool_spread(const Tensor& dy, const ConvSizes& sizes) {
  const Tensor dyc = dy.to(Layout::ChannelsLast);
  const Tensor dx = empty_image(input_shape(sizes), dy.dtype());
  dispatch_float("avg_pool2d", dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::avg_pool_backward(sizes, dyc.data<T>(), dx.mutable_data<T>());
  });
  return make_op(
      "avg_pool2d_spread", {dyc}, dx,
      [window = sizes.window](const Tensor& ddx, const BackwardContext&) {
        return std::vector<Tensor>{avg_pool2d(ddx, window)};
      });
}

// The adjoint of global_avg_pool.
Tensor global_avg_pool_spread(const Tensor& dy, const Shape& x_shape) {
  const Tensor dx = empty_image(x_shape, dy.dtype());
  dispatch_float("global_avg_pool", dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::global_avg_pool_backward(x_shape[0], x_shape[2] * x_shape[3],
                                      x_shape[1], dy.data<T>(),
                                      dx.mutable_data<T>());
  });
  return make_op("global_avg_pool_spread", {dy}, dx,
                 [](const Tensor& ddx, const BackwardContext&) {
                   return std::vector<Tensor>{global_avg_pool(ddx)};
                 });
}

}  // namespace

Tensor max_pool2d(const Tensor& x, const Conv2dGeometry& geometry) {
  check_floating("max_pool2d", x);
  const ConvSizes sizes = check_sizes("max_pool2d", x.shape(), geometry);
  check_cells(sizes);
  const Tensor xc = x.to(Layout::ChannelsLast);
  const Tensor y = empty_image(output_shape(sizes), x.dtype());
  const Tensor index = empty_image(y.shape(), DType::I64);
  dispatch_float("max_pool2d", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::max_pool_forward(sizes, xc.data<T>(), y.mutable_data<T>(),
                              index.mutable_data<std::int64_t>());
  });
  if (tracing()) trace_note(y, detail::attributes_of(geometry));
  return make_op(
      "max_pool2d", {xc}, y,
      [index, sizes](const Tensor& dy, const BackwardContext&) {
        return std::vector<Tensor>{max_pool_scatter(dy, index, sizes)};
      });
}

Tensor avg_pool2d(const Tensor& x, const Conv2dGeometry& geometry) {
  check_floating("avg_pool2d", x);
  const ConvSizes sizes = check_sizes("avg_pool2d", x.shape(), geometry);
  const Tensor xc = x.to(Layout::ChannelsLast);
  const Tensor y = empty_image(output_shape(sizes), x.dtype());
  dispatch_float("avg_pool2d", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::avg_pool_forward(sizes, xc.data<T>(), y.mutable_data<T>());
  });
  if (tracing()) trace_note(y, detail::attributes_of(geometry));
  return make_op("avg_pool2d", {xc}, y,
                 [sizes](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{avg_pool_spread(dy, sizes)};
                 });
}

Tensor global_avg_pool(const Tensor& x) {
  check_floating("global_avg_pool", x);
  check_rank("global_avg_pool", "x (N,C,H,W)", x, 4);
  const Shape shape = x.shape();
  if (shape[2] * shape[3] == 0) {
    throw ShapeError(
        "[global_avg_pool] expected images of at least one cell, "
        "got shape " +
        shape.str());
  }
  const Tensor xc = x.to(Layout::ChannelsLast);
  TensorOptions options;
  options.dtype = x.dtype();
  const Tensor y = Tensor::empty({shape[0], shape[1]}, options);
  dispatch_float("global_avg_pool", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::global_avg_pool_forward(shape[0], shape[2] * shape[3], shape[1],
                                     xc.data<T>(), y.mutable_data<T>());
  });
  return make_op(
      "global_avg_pool", {xc}, y,
      [shape](const Tensor& dy, const BackwardContext&) {
        return std::vector<Tensor>{global_avg_pool_spread(dy, shape)};
      });
}

}  // namespace mjolnir
