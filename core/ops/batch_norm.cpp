#include <mjolnir/core/ops/norm.h>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/trace.h>

#include "core/detail/batch_norm.h"
#include "core/detail/dispatch.h"
#include "core/detail/parameters.h"
#include "core/detail/saved.h"
#include "core/kernels/norm.h"

namespace mjolnir {
namespace {

using detail::BatchNormArguments;
using detail::BatchNormSaved;
using detail::data_or_null;
using detail::mutable_or_null;
using detail::norm_rows_of;
using detail::NormRows;

// The gradients in one kernel.
std::vector<Tensor> batch_norm_fused(const Tensor& dy,
                                     const BatchNormSaved& saved,
                                     const BackwardContext& context) {
  const Tensor x = saved.x.get();
  // dx alone needs the weight.
  const Tensor weight =
      saved.has_weight && context.needs(0) ? saved.weight.get() : Tensor();
  const NormRows r = norm_rows_of(x);
  const Tensor dyr = dy.to(r.layout);
  std::vector<Tensor> gradients(3);
  if (context.needs(0)) gradients[0] = Tensor::empty_like(x);
  for (std::size_t i : {1, 2}) {
    if (context.needs(i)) {
      gradients[i] = detail::make_vector(r.columns, x.dtype());
    }
  }
  dispatch_float("batch_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::batch_norm_backward(
        r.rows, r.columns, saved.training, x.data<T>(), dyr.data<T>(),
        saved.moments.mean.data<double>(),
        saved.moments.inverse_std.data<double>(), data_or_null<T>(weight),
        mutable_or_null<T>(gradients[0]), mutable_or_null<T>(gradients[1]),
        mutable_or_null<T>(gradients[2]));
  });
  return gradients;
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const Tensor& running_mean, const Tensor& running_var,
                  const BatchNormOptions& options) {
  BatchNormArguments of{x, weight, bias, running_mean, running_var, options};
  detail::check_batch_norm("batch_norm", of);
  const NormRows r = norm_rows_of(x);
  of.x = x.to(r.layout);
  const Tensor y = Tensor::empty_like(of.x);
  BatchNormSaved saved;
  saved.moments = detail::batch_moments(of);
  dispatch_float("batch_norm", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::batch_norm_forward(
        r.rows, r.columns, of.x.data<T>(), saved.moments.mean.data<double>(),
        saved.moments.inverse_std.data<double>(), data_or_null<T>(weight),
        data_or_null<T>(bias), y.mutable_data<T>());
  });
  saved.x = Saved(of.x);
  saved.weight =
      detail::saved_if(weight.defined() && of.x.requires_grad(), weight);
  saved.has_weight = weight.defined();
  saved.training = options.training;
  saved.epsilon = options.epsilon;
  if (tracing()) {
    trace_note(y,
               {{"training", std::int64_t{options.training}},
                {"epsilon", options.epsilon}},
               {running_mean, running_var});
  }
  return make_op("batch_norm", {of.x, weight, bias}, y,
                 [saved](const Tensor& dy, const BackwardContext& context) {
                   return grad_enabled()
                              ? batch_norm_composed(dy, saved, context)
                              : batch_norm_fused(dy, saved, context);
                 });
}

}  // namespace mjolnir
