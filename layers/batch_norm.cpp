#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/norm.h>
#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/window.h>

#include "core/detail/number.h"

namespace mjolnir {

BatchNorm2d::BatchNorm2d(const BatchNorm2dOptions& options)
    : options_(options) {
  require_floating("BatchNorm2d", options.dtype);
  require_at_least("BatchNorm2d", "channels", options.channels, 1);
  if (!(options.epsilon > 0))
    throw ValueError("[BatchNorm2d] expected epsilon > 0, got " +
                     detail::number(options.epsilon));
  if (!(options.momentum >= 0 && options.momentum <= 1))
    throw ValueError("[BatchNorm2d] expected momentum in [0,1], got " +
                     detail::number(options.momentum));
  const Shape shape{options.channels};
  weight = Tensor::ones(shape, {options.dtype});
  bias = Tensor::zeros(shape, {options.dtype});
  running_mean = Tensor::zeros(shape, {options.dtype});
  running_var = Tensor::ones(shape, {options.dtype});
  num_batches_tracked = Tensor::scalar(0, DType::I64);
  add("weight", weight);
  add("bias", bias);
  add_buffer("running_mean", running_mean);
  add_buffer("running_var", running_var);
  add_buffer("num_batches_tracked", num_batches_tracked);
}

BatchNormOptions BatchNorm2d::now() const {
  BatchNormOptions options;
  options.training = training();
  options.momentum = options_.momentum;
  options.epsilon = options_.epsilon;
  return options;
}

void BatchNorm2d::count_use() {
  if (training()) ++*num_batches_tracked.mutable_data<std::int64_t>();
}

Tensor BatchNorm2d::operator()(const Tensor& x) {
  const BatchNormOptions options = now();
  Tensor y = batch_norm(x, weight, bias, running_mean, running_var, options);
  if (is_observed()) watch_use(x, y, options);
  count_use();
  return y;
}

Tensor BatchNorm2d::relu(const Tensor& x, const Tensor& addend) {
  if (is_observed()) {
    // Observers want the gradient of what comes before relu.
    const Tensor y = (*this)(x);
    return mjolnir::relu(addend.defined() ? y + addend : y);
  }
  Tensor y = batch_norm_relu(x, weight, bias, running_mean, running_var, now(),
                             addend);
  count_use();
  return y;
}

void BatchNorm2d::watch_use(const Tensor& x, const Tensor& y,
                            const BatchNormOptions& options) {
  // The running statistics of now, which another pass may move.
  const NoGrad no_grad;
  const Tensor mean = options.training ? Tensor() : running_mean.clone();
  const Tensor variance = options.training ? Tensor() : running_var.clone();
  watch(y, true, x.size(0),
        [kept = Saved(x.detach()), mean, variance, options] {
          return batch_norm(kept.get(), Tensor(), Tensor(), mean, variance,
                            options);
        });
}

std::unique_ptr<Module> BatchNorm2d::clone() const {
  auto copy = std::make_unique<BatchNorm2d>(options_);
  copy->copy_from(*this);
  return copy;
}

std::string BatchNorm2d::describe() const {
  return "BatchNorm2d(channels=" + std::to_string(options_.channels) + ")";
}

}  // namespace mjolnir
