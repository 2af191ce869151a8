#include "core/detail/batch_norm.h"

#include <string>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/ops/shape.h>

#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/detail/parameters.h"
#include "core/kernels/norm.h"

namespace mjolnir::detail {

NormRows norm_rows_of(const Tensor& x) {
  const Shape& s = x.shape();
  if (s.rank() == 2) return {s[0], s[1], Layout::RowMajor};
  return {s[0] * s[2] * s[3], s[1], Layout::ChannelsLast};
}

void check_batch_norm(const char* op, const BatchNormArguments& of) {
  const Tensor& x = of.x;
  check_floating(op, x);
  if (x.rank() != 2 && x.rank() != 4) {
    throw ShapeError(prefix(op) + "expected x (N,C,H,W) or (N,C), got shape " +
                     x.shape().str());
  }
  const NormRows r = norm_rows_of(x);
  const Shape per_channel{r.columns};
  check_parameter(op, "weight", x, of.weight, per_channel);
  check_parameter(op, "bias", x, of.bias, per_channel);
  check_parameter(op, "running_mean", x, of.running_mean, per_channel);
  check_parameter(op, "running_var", x, of.running_var, per_channel);
  const BatchNormOptions& options = of.options;
  check_epsilon(op, options.epsilon);
  if (!(options.momentum >= 0 && options.momentum <= 1)) {
    throw ValueError(prefix(op) + "expected momentum in [0, 1], got " +
                     std::to_string(options.momentum));
  }
  if (of.running_mean.defined() != of.running_var.defined()) {
    throw ValueError(prefix(op) +
                     "expected running_mean and running_var both or neither");
  }
  if (options.training && r.rows < 2) {
    throw ValueError(prefix(op) +
                     "expected more than one value per channel in training, "
                     "got shape " +
                     x.shape().str() + "; use a larger batch or eval()");
  }
  if (!options.training && !of.running_mean.defined()) {
    throw ValueError(prefix(op) +
                     "evaluation needs running_mean and running_var");
  }
}

Tensor make_vector(std::int64_t length, DType dtype) {
  TensorOptions options;
  options.dtype = dtype;
  return Tensor::empty({length}, options);
}

BatchMoments batch_moments(const BatchNormArguments& of) {
  const NormRows r = norm_rows_of(of.x);
  const Tensor &running_mean = of.running_mean, &running_var = of.running_var;
  BatchMoments moments{make_vector(r.columns, DType::F64),
                       make_vector(r.columns, DType::F64)};
  double* const mean = moments.mean.mutable_data<double>();
  double* const inverse_std = moments.inverse_std.mutable_data<double>();
  dispatch_float("batch_norm", of.x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if (of.options.training) {
      kernels::column_moments(r.rows, r.columns, of.x.data<T>(), mean,
                              inverse_std);
      if (running_mean.defined()) {
        kernels::update_running(r.rows, r.columns, of.options.momentum, mean,
                                inverse_std, running_mean.mutable_data<T>(),
                                running_var.mutable_data<T>());
      }
    } else {
      kernels::fixed_moments(r.columns, running_mean.data<T>(),
                             running_var.data<T>(), mean, inverse_std);
    }
  });
  kernels::invert_std(r.columns, of.options.epsilon, inverse_std);
  return moments;
}

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
    centred = x - constant(saved.moments.mean);
    s = constant(saved.moments.inverse_std);
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

}  // namespace mjolnir::detail
