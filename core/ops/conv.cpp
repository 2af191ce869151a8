#include <mjolnir/core/ops/conv.h>

#include <algorithm>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>

#include "core/detail/check.h"
#include "core/detail/checked.h"
#include "core/detail/dispatch.h"
#include "core/detail/image.h"
#include "core/detail/parameters.h"
#include "core/detail/saved.h"
#include "core/detail/trace.h"
#include "core/detail/window.h"
#include "core/kernels/columns.h"
#include "core/kernels/conv.h"
#include "core/kernels/onednn.h"
#include "core/kernels/winograd.h"

namespace mjolnir {
namespace {

using detail::checked_multiply;
using detail::data_or_null;
using detail::empty_image;
using detail::output_shape;
using detail::prefix;
using detail::saved_if;
using kernels::ConvSizes;

ConvSizes check_sizes(const char* op, const Shape& x, const Shape& w,
                      const Conv2dGeometry& g) {
  detail::check_window(op, x, g);
  if (w.rank() != 4 || w[2] != g.kernel_h || w[3] != g.kernel_w) {
    throw ShapeError(prefix(op) + "expected w (O,C/groups," +
                     std::to_string(g.kernel_h) + "," +
                     std::to_string(g.kernel_w) +
                     ") as the geometry says, got shape " + w.str());
  }
  if (g.groups < 1 || w[0] % g.groups != 0) {
    throw ShapeError(prefix(op) + "expected groups that divide the " +
                     std::to_string(w[0]) + " output channels, got " +
                     std::to_string(g.groups));
  }
  // Without output channels any number divides them.
  const std::int64_t most = std::max({w[0], x[1], std::int64_t{1}});
  if (g.groups > most) {
    throw ShapeError(prefix(op) + "expected at most " + std::to_string(most) +
                     " groups for as many channels, got " +
                     std::to_string(g.groups));
  }
  const std::int64_t channels = checked_multiply(op, w[1], g.groups);
  if (x[1] != channels) {
    throw ShapeError(prefix(op) + "expected x with " +
                     std::to_string(channels) + " channels, got shape " +
                     x.str());
  }
  ConvSizes sizes;
  sizes.batch = x[0];
  sizes.in_h = x[2];
  sizes.in_w = x[3];
  sizes.in_channels = x[1];
  sizes.out_channels = w[0];
  sizes.window = g;
  return sizes;
}

// Runs fast() for f32 where it serves the shape (it decides by the shape
// alone), else slow(T{}, gemm) with the product that it may use.
template <class Fast, class Slow>
void run(DType dtype, Fast fast, Slow slow) {
  const bool reference = backend() == Backend::Reference;
  if (dtype == DType::F32 && !reference && fast()) return;
  dispatch_float("conv2d", dtype, [&](auto tag) {
    using T = decltype(tag);
    slow(tag, reference ? kernels::gemm_blas<T> : kernels::gemm<T>);
  });
}

Tensor bias_spread(const Tensor& db, const Shape& y_shape);

// db (O) = sum of dy (N,O,H',W') over all axes but its channels
Tensor bias_gradient(const Tensor& dy) {
  const Tensor dyc = dy.to(Layout::ChannelsLast);
  const std::int64_t columns = dy.size(1);
  TensorOptions options;
  options.dtype = dy.dtype();
  const Tensor db = Tensor::empty({columns}, options);
  dispatch_float("conv2d", dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::sum_columns(dy.size(0) * dy.size(2) * dy.size(3), columns,
                         dyc.data<T>(), db.mutable_data<T>());
  });
  return make_op(
      "conv2d_bias_gradient", {dyc}, db,
      [y_shape = dy.shape()](const Tensor& ddb, const BackwardContext&) {
        return std::vector<Tensor>{bias_spread(ddb, y_shape)};
      });
}

// Its adjoint: dy[n,o,h,w] = db[o]
Tensor bias_spread(const Tensor& db, const Shape& y_shape) {
  const Tensor dy = empty_image(y_shape, db.dtype());
  dispatch_float("conv2d", db.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::repeat_row(y_shape[0] * y_shape[2] * y_shape[3], y_shape[1],
                        db.data<T>(), dy.mutable_data<T>());
  });
  return make_op("conv2d_bias_spread", {db}, dy,
                 [](const Tensor& ddy, const BackwardContext&) {
                   return std::vector<Tensor>{bias_gradient(ddy)};
                 });
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias,
              const Conv2dGeometry& geometry) {
  check_same_dtype("conv2d", x, w);
  const ConvSizes sizes = check_sizes("conv2d", x.shape(), w.shape(), geometry);
  detail::check_parameter("conv2d", "bias", x, bias, {sizes.out_channels});
  const Tensor xc = x.to(Layout::ChannelsLast);
  const Tensor wc = w.to(Layout::ChannelsLast);
  const Tensor y = empty_image(output_shape(sizes), x.dtype());
  run(
      x.dtype(),
      [&] {
        const float* const b = data_or_null<float>(bias);
        if (kernels::winograd_pays(sizes)) {
          kernels::winograd_forward(sizes, xc.data<float>(), wc.data<float>(),
                                    b, y.mutable_data<float>());
          return true;
        }
        return kernels::onednn::conv2d_forward(sizes, xc.data<float>(),
                                               wc.data<float>(), b,
                                               y.mutable_data<float>());
      },
      [&](auto tag, auto gemm) {
        using T = decltype(tag);
        kernels::conv2d_forward<T>(sizes, xc.data<T>(), wc.data<T>(),
                                   data_or_null<T>(bias), y.mutable_data<T>(),
                                   gemm);
      });
  if (tracing()) trace_note(y, detail::attributes_of(geometry));
  return make_op("conv2d", {xc, wc, bias}, y,
                 [xs = saved_if(wc.requires_grad(), xc),
                  ws = saved_if(xc.requires_grad(), wc), x_shape = x.shape(),
                  w_shape = w.shape(),
                  geometry](const Tensor& dy, const BackwardContext& context) {
                   std::vector<Tensor> gradients(3);
                   if (context.needs(0)) {
                     gradients[0] =
                         conv2d_input_gradient(dy, ws.get(), x_shape, geometry);
                   }
                   if (context.needs(1)) {
                     gradients[1] = conv2d_weight_gradient(xs.get(), dy,
                                                           w_shape, geometry);
                   }
                   if (context.needs(2)) gradients[2] = bias_gradient(dy);
                   return gradients;
                 });
}

Tensor conv2d_input_gradient(const Tensor& dy, const Tensor& w,
                             const Shape& x_shape,
                             const Conv2dGeometry& geometry) {
  constexpr const char* op = "conv2d_input_gradient";
  check_same_dtype(op, dy, w);
  const ConvSizes sizes = check_sizes(op, x_shape, w.shape(), geometry);
  check_shape(op, "dy", dy, output_shape(sizes));
  const Tensor dyc = dy.to(Layout::ChannelsLast);
  const Tensor wc = w.to(Layout::ChannelsLast);
  const Tensor dx = empty_image(x_shape, dy.dtype());
  run(
      dy.dtype(),
      [&] {
        if (kernels::winograd_pays(sizes)) {
          kernels::winograd_input_gradient(sizes, dyc.data<float>(),
                                           wc.data<float>(),
                                           dx.mutable_data<float>());
          return true;
        }
        return kernels::onednn::conv2d_input_gradient(sizes, dyc.data<float>(),
                                                      wc.data<float>(),
                                                      dx.mutable_data<float>());
      },
      [&](auto tag, auto gemm) {
        using T = decltype(tag);
        kernels::conv2d_input_gradient<T>(sizes, dyc.data<T>(), wc.data<T>(),
                                          dx.mutable_data<T>(), gemm);
      });
  return make_op("conv2d_input_gradient", {dyc, wc}, dx,
                 [dys = saved_if(wc.requires_grad(), dyc),
                  ws = saved_if(dyc.requires_grad(), wc), w_shape = w.shape(),
                  geometry](const Tensor& ddx, const BackwardContext& context) {
                   std::vector<Tensor> gradients(2);
                   if (context.needs(0)) {
                     gradients[0] = conv2d(ddx, ws.get(), Tensor(), geometry);
                   }
                   if (context.needs(1)) {
                     gradients[1] = conv2d_weight_gradient(ddx, dys.get(),
                                                           w_shape, geometry);
                   }
                   return gradients;
                 });
}

Tensor conv2d_weight_gradient(const Tensor& x, const Tensor& dy,
                              const Shape& w_shape,
                              const Conv2dGeometry& geometry) {
  constexpr const char* op = "conv2d_weight_gradient";
  check_same_dtype(op, x, dy);
  const ConvSizes sizes = check_sizes(op, x.shape(), w_shape, geometry);
  check_shape(op, "dy", dy, output_shape(sizes));
  const Tensor xc = x.to(Layout::ChannelsLast);
  const Tensor dyc = dy.to(Layout::ChannelsLast);
  const Tensor dw = empty_image(w_shape, x.dtype());
  run(
      x.dtype(),
      [&] {
        if (kernels::winograd_pays(sizes)) {
          kernels::winograd_weight_gradient(sizes, xc.data<float>(),
                                            dyc.data<float>(),
                                            dw.mutable_data<float>());
          return true;
        }
        return kernels::onednn::conv2d_weight_gradient(
            sizes, xc.data<float>(), dyc.data<float>(),
            dw.mutable_data<float>());
      },
      [&](auto tag, auto gemm) {
        using T = decltype(tag);
        kernels::conv2d_weight_gradient<T>(sizes, xc.data<T>(), dyc.data<T>(),
                                           dw.mutable_data<T>(), gemm);
      });
  return make_op("conv2d_weight_gradient", {xc, dyc}, dw,
                 [xs = saved_if(dyc.requires_grad(), xc),
                  dys = saved_if(xc.requires_grad(), dyc), x_shape = x.shape(),
                  geometry](const Tensor& ddw, const BackwardContext& context) {
                   std::vector<Tensor> gradients(2);
                   if (context.needs(0)) {
                     gradients[0] = conv2d_input_gradient(dys.get(), ddw,
                                                          x_shape, geometry);
                   }
                   if (context.needs(1)) {
                     gradients[1] = conv2d(xs.get(), ddw, Tensor(), geometry);
                   }
                   return gradients;
                 });
}

}  // namespace mjolnir
