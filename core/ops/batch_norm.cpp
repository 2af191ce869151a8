#include <mjolnir/core/ops/norm.h>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/elementwise.h>
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

using detail::check_epsilon;
using detail::check_parameter;
using detail::data_or_null;
using detail::mutable_or_null;

Tensor make_vector(std::int64_t length, DType dtype) {
  TensorOptions options;
  options.dtype = dtype;
  return Tensor::empty({length}, options);
}

// x (R,C) as the batch norm kernels see it.
struct Rows {
  std::int64_t rows, columns;
  Layout layout;
};

Rows rows_of(const Tensor& x) {
  const Shape& s = x.shape();
  if (s.rank() == 2) return {s[0], s[1], Layout::RowMajor};
  return {s[0] * s[2] * s[3], s[1], Layout::ChannelsLast};
}

// What the gradients of batch norm are made of.
struct BatchNormSaved {
  Saved x, weight;
  Tensor mean, inverse_std;  // (C), f64
  bool has_weight = false, training = false;
  double epsilon = 0;
};

// The gradients as differentiable ops:
// dx = w s (dy - mean(dy) - xhat mean(dy xhat)), w s dy with constant moments.
std::vector<Tensor> batch_norm_composed(const Tensor& dy,
                                        const BatchNormSaved& saved,
                                        const BackwardContext& context) {
  const Tensor x = saved.x.get();
  const bool image = x.rank() == 4;
  const Axes axes = image ? Axes{0, 2, 3} : Axes{0};
  const std::int64_t C = x.size(1);
  const Shape per_channel = image ? Shape{1, C, 1, 1} : Shape{1, C};
  const auto constant = [&](const Tensor& moments) {
    return reshape(moments.to(x.dtype()), per_channel);
  };
  Tensor centred, s;
  if (saved.training) {
    centred = x - mean(x, axes, true);
    s = pow(mean(centred * centred, axes, true) + saved.epsilon, -0.5);
  } else {
    centred = x - constant(saved.mean);
    s = constant(saved.inverse_std);
  }
  const Tensor xhat = centred * s;
  std::vector<Tensor> gradients(3);
  if (context.needs(0)) {
    Tensor g = dy;
    if (saved.training) {
      g = g - mean(dy, axes, true) - xhat * mean(dy * xhat, axes, true);
    }
    g = g * s;
    if (saved.has_weight) g = g * reshape(saved.weight.get(), per_channel);
    gradients[0] = g;
  }
  if (context.needs(1)) gradients[1] = sum(dy * xhat, axes);
  if (context.needs(2)) gradients[2] = sum(dy, axes);
  return gradients;
}

// The same gradients in one kernel.
std::vector<Tensor> batch_norm_fused(const Tensor& dy,
                                     const BatchNormSaved& saved,
                                     const BackwardContext& context) {
  const Tensor x = saved.x.get();
  // dx alone needs the weight.
  const Tensor weight =
      saved.has_weight && context.needs(0) ? saved.weight.get() : Tensor();
  const Rows r = rows_of(x);
  const Tensor dyr = dy.to(r.layout);
  std::vector<Tensor> gradients(3);
  if (context.needs(0)) gradients[0] = Tensor::empty_like(x);
  for (std::size_t i : {1, 2}) {
    if (context.needs(i)) gradients[i] = make_vector(r.columns, x.dtype());
  }
  dispatch_float("batch_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::batch_norm_backward(
        r.rows, r.columns, saved.training, x.data<T>(), dyr.data<T>(),
        saved.mean.data<double>(), saved.inverse_std.data<double>(),
        data_or_null<T>(weight), mutable_or_null<T>(gradients[0]),
        mutable_or_null<T>(gradients[1]), mutable_or_null<T>(gradients[2]));
  });
  return gradients;
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const Tensor& running_mean, const Tensor& running_var,
                  const BatchNormOptions& options) {
  constexpr const char* op = "batch_norm";
  check_floating(op, x);
  if (x.rank() != 2 && x.rank() != 4) {
    throw ShapeError("[batch_norm] expected x (N,C,H,W) or (N,C), got shape " +
                     x.shape().str());
  }
  const Rows r = rows_of(x);
  const Shape per_channel{r.columns};
  check_parameter(op, "weight", x, weight, per_channel);
  check_parameter(op, "bias", x, bias, per_channel);
  check_parameter(op, "running_mean", x, running_mean, per_channel);
  check_parameter(op, "running_var", x, running_var, per_channel);
  check_epsilon(op, options.epsilon);
  if (!(options.momentum >= 0 && options.momentum <= 1)) {
    throw ValueError("[batch_norm] expected momentum in [0, 1], got " +
                     std::to_string(options.momentum));
  }
  if (running_mean.defined() != running_var.defined()) {
    throw ValueError(
        "[batch_norm] expected running_mean and running_var both or neither");
  }
  if (options.training && r.rows < 2) {
    throw ValueError(
        "[batch_norm] expected more than one value per channel in training, "
        "got shape " +
        x.shape().str() + "; use a larger batch or eval()");
  }
  if (!options.training && !running_mean.defined()) {
    throw ValueError(
        "[batch_norm] evaluation needs running_mean and running_var");
  }

  const Tensor xr = x.to(r.layout);
  const Tensor y = Tensor::empty_like(xr);
  BatchNormSaved saved;
  saved.mean = make_vector(r.columns, DType::F64);
  saved.inverse_std = make_vector(r.columns, DType::F64);
  double* const mean = saved.mean.mutable_data<double>();
  double* const inverse_std = saved.inverse_std.mutable_data<double>();
  dispatch_float(op, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if (options.training) {
      kernels::column_moments(r.rows, r.columns, xr.data<T>(), mean,
                              inverse_std);
      if (running_mean.defined()) {
        kernels::update_running(r.rows, r.columns, options.momentum, mean,
                                inverse_std, running_mean.mutable_data<T>(),
                                running_var.mutable_data<T>());
      }
    } else {
      kernels::fixed_moments(r.columns, running_mean.data<T>(),
                             running_var.data<T>(), mean, inverse_std);
    }
    kernels::invert_std(r.columns, options.epsilon, inverse_std);
    kernels::batch_norm_forward(r.rows, r.columns, xr.data<T>(), mean,
                                inverse_std, data_or_null<T>(weight),
                                data_or_null<T>(bias), y.mutable_data<T>());
  });
  saved.x = Saved(xr);
  saved.weight =
      detail::saved_if(weight.defined() && xr.requires_grad(), weight);
  saved.has_weight = weight.defined();
  saved.training = options.training;
  saved.epsilon = options.epsilon;
  if (tracing()) {
    trace_note(y,
               {{"training", std::int64_t{options.training}},
                {"epsilon", options.epsilon}},
               {running_mean, running_var});
  }
  return make_op("batch_norm", {xr, weight, bias}, y,
                 [saved](const Tensor& dy, const BackwardContext& context) {
                   return grad_enabled()
                              ? batch_norm_composed(dy, saved, context)
                              : batch_norm_fused(dy, saved, context);
                 });
}

}  // namespace mjolnir
