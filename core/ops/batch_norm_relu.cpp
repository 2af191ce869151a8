#include <mjolnir/core/ops/norm.h>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/trace.h>

#include "core/detail/batch_norm.h"
#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/detail/elementwise.h"
#include "core/detail/parameters.h"
#include "core/detail/saved.h"
#include "core/kernels/batch_norm_relu.h"

namespace mjolnir {
namespace {

using detail::BatchMoments;
using detail::BatchNormArguments;
using detail::data_or_null;
using detail::mutable_or_null;
using detail::norm_rows_of;
using detail::NormRows;

// What is kept for the gradients. Without an addend x, weight and bias say
// where y is positive; with one, y itself does.
struct NormReluSaved {
  detail::BatchNormSaved norm;
  Saved bias, y;
  bool has_bias = false, has_addend = false;
};

template <class T>
kernels::NormColumns<T> columns_of(const BatchMoments& moments,
                                   const Tensor& weight, const Tensor& bias) {
  return {moments.mean.data<double>(), moments.inverse_std.data<double>(),
          data_or_null<T>(weight), data_or_null<T>(bias)};
}

bool fast(const Tensor& x) {
  return x.dtype() == DType::F32 && backend() == Backend::Auto;
}

// y, not recorded; x and addend in the layout of their rows.
Tensor forward(const Tensor& x, const BatchMoments& moments,
               const Tensor& weight, const Tensor& bias, const Tensor& addend) {
  const NormRows r = norm_rows_of(x);
  const Tensor y = Tensor::empty_like(x);
  if (fast(x)) {
    kernels::batch_norm_relu_forward_fast(
        r.rows, r.columns, columns_of<float>(moments, weight, bias),
        x.data<float>(), data_or_null<float>(addend), y.mutable_data<float>());
    return y;
  }
  dispatch_float("batch_norm_relu", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::batch_norm_relu_forward(
        r.rows, r.columns, columns_of<T>(moments, weight, bias), x.data<T>(),
        data_or_null<T>(addend), y.mutable_data<T>());
  });
  return y;
}

Tensor get_if(bool defined, const Saved& saved) {
  return defined ? saved.get() : Tensor();
}

// The gradients as differentiable ops: of relu, then of batch norm.
std::vector<Tensor> norm_relu_composed(const Tensor& dy,
                                       const NormReluSaved& saved,
                                       const BackwardContext& context) {
  Tensor y;
  if (saved.has_addend) {
    y = saved.y.get();
  } else {
    y = forward(saved.norm.x.get(), saved.norm.moments,
                get_if(saved.norm.has_weight, saved.norm.weight),
                get_if(saved.has_bias, saved.bias), Tensor());
  }
  const Tensor g =
      detail::piecewise_gradient(kernels::Unary::Relu, {}, Saved(y), dy);
  std::vector<Tensor> gradients(3);
  if (context.needs(0) || context.needs(1) || context.needs(2)) {
    gradients = batch_norm_composed(g, saved.norm, context);
  }
  gradients.push_back(g);
  return gradients;
}

// The same gradients in one kernel.
std::vector<Tensor> norm_relu_fused(const Tensor& dy,
                                    const NormReluSaved& saved,
                                    const BackwardContext& context) {
  const bool from_x = !saved.has_addend;
  const bool of_norm = context.needs(0) || context.needs(1) || context.needs(2);
  const Tensor y = get_if(saved.has_addend, saved.y);
  if (!of_norm) {
    return {Tensor(), Tensor(), Tensor(),
            detail::map_gradient(kernels::Unary::Relu, y, dy, {},
                                 context.may_overwrite())};
  }
  const Tensor x = saved.norm.x.get();
  const Tensor weight = get_if(
      saved.norm.has_weight && (from_x || context.needs(0)), saved.norm.weight);
  const Tensor bias = get_if(saved.has_bias && from_x, saved.bias);
  const NormRows r = norm_rows_of(x);
  const Tensor dyr = dy.to(r.layout);
  std::vector<Tensor> gradients(4);
  // One of them may take dy's place: all are computed number by number.
  Tensor place = context.may_overwrite() ? dyr : Tensor();
  for (std::size_t i : {3, 0}) {
    if (!context.needs(i)) continue;
    gradients[i] = place.defined() ? place : Tensor::empty_like(x);
    place = Tensor();
  }
  for (std::size_t i : {1, 2}) {
    if (context.needs(i)) {
      gradients[i] = detail::make_vector(r.columns, x.dtype());
    }
  }
  dispatch_float("batch_norm_relu", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::NormReluGradient<T> to;
    to.training = saved.norm.training;
    to.x = x.data<T>();
    to.dy = dyr.data<T>();
    to.y = data_or_null<T>(y);
    to.dx = mutable_or_null<T>(gradients[0]);
    to.dw = mutable_or_null<T>(gradients[1]);
    to.db = mutable_or_null<T>(gradients[2]);
    to.daddend = mutable_or_null<T>(gradients[3]);
    const auto columns = columns_of<T>(saved.norm.moments, weight, bias);
    if constexpr (std::is_same_v<T, float>) {
      if (fast(x)) {
        kernels::batch_norm_relu_backward_fast(r.rows, r.columns, columns, to);
        return;
      }
    }
    kernels::batch_norm_relu_backward(r.rows, r.columns, columns, to);
  });
  return gradients;
}

NormReluSaved save(const BatchNormArguments& of, const BatchMoments& moments,
                   const Tensor& addend, const Tensor& y) {
  using detail::saved_if;
  const auto wants = [](const Tensor& t) {
    return t.defined() && t.requires_grad();
  };
  const bool from_x = !addend.defined();
  NormReluSaved saved;
  saved.norm.x =
      saved_if(wants(of.x) || wants(of.weight) || wants(of.bias), of.x);
  saved.norm.weight =
      saved_if(of.weight.defined() && (from_x || wants(of.x)), of.weight);
  saved.bias = saved_if(of.bias.defined() && from_x, of.bias);
  saved.y = saved_if(!from_x, y.detach());
  saved.norm.moments = moments;
  saved.norm.has_weight = of.weight.defined();
  saved.norm.training = of.options.training;
  saved.norm.epsilon = of.options.epsilon;
  saved.has_bias = of.bias.defined();
  saved.has_addend = addend.defined();
  return saved;
}

}  // namespace

Tensor batch_norm_relu(const Tensor& x, const Tensor& weight,
                       const Tensor& bias, const Tensor& running_mean,
                       const Tensor& running_var,
                       const BatchNormOptions& options, const Tensor& addend) {
  constexpr const char* op = "batch_norm_relu";
  BatchNormArguments of{x, weight, bias, running_mean, running_var, options};
  detail::check_batch_norm(op, of);
  detail::check_parameter(op, "addend", x, addend, x.shape());
  if (tracing()) {
    const Tensor y =
        batch_norm(x, weight, bias, running_mean, running_var, options);
    return relu(addend.defined() ? y + addend : y);
  }
  const Layout layout = norm_rows_of(x).layout;
  of.x = x.to(layout);
  const Tensor added = addend.defined() ? addend.to(layout) : addend;
  const BatchMoments moments = detail::batch_moments(of);
  const Tensor y = forward(of.x, moments, weight, bias, added);
  return make_op("batch_norm_relu", {of.x, weight, bias, added}, y,
                 [saved = save(of, moments, added, y)](
                     const Tensor& dy, const BackwardContext& context) {
                   return grad_enabled()
                              ? norm_relu_composed(dy, saved, context)
                              : norm_relu_fused(dy, saved, context);
                 });
}

}  // namespace mjolnir
