#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/norm.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/core/trace.h>

#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/detail/parameters.h"
#include "core/detail/saved.h"
#include "core/kernels/norm.h"

namespace mjolnir {
namespace {

using detail::check_parameter;
using detail::data_or_null;
using detail::mutable_or_null;

// What the gradients are made of; x is (rows,columns) in memory.
struct LayerNormSaved {
  Saved x, weight;
  Tensor mean, inverse_std;  // (rows), of x's dtype
  Shape parameter_shape;
  std::int64_t rows = 0, columns = 0;
  double epsilon = 0;
  bool has_weight = false;
};

// The gradients as differentiable ops, with g = dy weight:
// dx = s (g - mean(g) - xhat mean(g xhat)).
std::vector<Tensor> composed(const Tensor& dy, const LayerNormSaved& saved,
                             const BackwardContext& context) {
  const Tensor x = saved.x.get();
  const Shape flat{saved.rows, saved.columns};
  const Tensor rows = reshape(x, flat);
  const Tensor dyr = reshape(dy, flat);
  const Tensor centred = rows - mean(rows, {1}, true);
  const Tensor s =
      pow(mean(centred * centred, {1}, true) + saved.epsilon, -0.5);
  const Tensor xhat = centred * s;
  std::vector<Tensor> gradients(3);
  if (context.needs(0)) {
    Tensor g = dyr;
    if (saved.has_weight) {
      g = g * reshape(saved.weight.get(), Shape{1, saved.columns});
    }
    g = s * (g - mean(g, {1}, true) - xhat * mean(g * xhat, {1}, true));
    gradients[0] = reshape(g, x.shape());
  }
  if (context.needs(1)) {
    gradients[1] = reshape(sum(dyr * xhat, {0}), saved.parameter_shape);
  }
  if (context.needs(2)) {
    gradients[2] = reshape(sum(dyr, {0}), saved.parameter_shape);
  }
  return gradients;
}

// The same gradients in one kernel.
std::vector<Tensor> fused(const Tensor& dy, const LayerNormSaved& saved,
                          const BackwardContext& context) {
  const Tensor x = saved.x.get();
  // dx alone needs the weight.
  const Tensor weight =
      saved.has_weight && context.needs(0) ? saved.weight.get() : Tensor();
  const Tensor dyr = dy.to(Layout::RowMajor);
  TensorOptions options;
  options.dtype = x.dtype();
  std::vector<Tensor> gradients(3);
  if (context.needs(0)) gradients[0] = Tensor::empty_like(x);
  for (std::size_t i : {1, 2}) {
    if (context.needs(i)) {
      gradients[i] = Tensor::empty(saved.parameter_shape, options);
    }
  }
  dispatch_float("layer_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::layer_norm_backward(
        saved.rows, saved.columns, x.data<T>(), dyr.data<T>(),
        saved.mean.data<T>(), saved.inverse_std.data<T>(),
        data_or_null<T>(weight), mutable_or_null<T>(gradients[0]),
        mutable_or_null<T>(gradients[1]), mutable_or_null<T>(gradients[2]));
  });
  return gradients;
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  std::int64_t normalized_axes, double epsilon) {
  check_floating("layer_norm", x);
  const auto rank = static_cast<std::int64_t>(x.rank());
  if (normalized_axes < 1 || normalized_axes > rank) {
    throw ShapeError("[layer_norm] expected 1 to " + std::to_string(rank) +
                     " normalized axes for x of shape " + x.shape().str() +
                     ", got " + std::to_string(normalized_axes));
  }
  detail::check_epsilon("layer_norm", epsilon);
  const std::vector<std::int64_t> lengths = x.shape().to_vector();
  LayerNormSaved saved;
  saved.parameter_shape = Shape(std::vector<std::int64_t>(
      lengths.end() - normalized_axes, lengths.end()));
  check_parameter("layer_norm", "weight", x, weight, saved.parameter_shape);
  check_parameter("layer_norm", "bias", x, bias, saved.parameter_shape);
  saved.columns = saved.parameter_shape.numel();
  if (saved.columns == 0) {
    throw ShapeError("[layer_norm] expected at least one element to " +
                     std::string("normalize, got shape ") + x.shape().str());
  }
  saved.rows = x.numel() / saved.columns;
  saved.epsilon = epsilon;
  saved.has_weight = weight.defined();

  const Tensor xr = x.to(Layout::RowMajor);
  TensorOptions options;
  options.dtype = x.dtype();
  const Tensor y = Tensor::empty(x.shape(), options);
  saved.mean = Tensor::empty({saved.rows}, options);
  saved.inverse_std = Tensor::empty({saved.rows}, options);
  // A parameter of rank 4 may be ChannelsLast; the kernel reads it in order.
  const Tensor w = weight.defined() ? weight.to(Layout::RowMajor) : weight;
  const Tensor b = bias.defined() ? bias.to(Layout::RowMajor) : bias;
  dispatch_float("layer_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::layer_norm_forward(
        saved.rows, saved.columns, epsilon, xr.data<T>(), data_or_null<T>(w),
        data_or_null<T>(b), y.mutable_data<T>(), saved.mean.mutable_data<T>(),
        saved.inverse_std.mutable_data<T>());
  });
  saved.x = Saved(xr);
  saved.weight = detail::saved_if(saved.has_weight && xr.requires_grad(), w);
  if (tracing()) {
    trace_note(y, {{"normalized_axes", normalized_axes}, {"epsilon", epsilon}});
  }
  return make_op("layer_norm", {xr, w, b}, y,
                 [saved](const Tensor& dy, const BackwardContext& context) {
                   return grad_enabled() ? composed(dy, saved, context)
                                         : fused(dy, saved, context);
                 });
}

}  // namespace mjolnir
