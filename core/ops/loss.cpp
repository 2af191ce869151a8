#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/embedding.h>
#include <mjolnir/core/ops/loss.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/ops/shape.h>

#include <string>

#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/detail/elementwise.h"
#include "core/detail/reduce.h"
#include "core/detail/saved.h"
#include "core/kernels/index.h"
#include "core/kernels/loss.h"

namespace mjolnir {
namespace {

Tensor reduce_losses(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::Mean) return mean(losses);
  if (reduction == Reduction::Sum) return sum(losses);
  return losses;
}

// ---- cross entropy ---------------------------------------------------------

// Labels (N) or probabilities (N,C), checked against logits (N,C).
void check_targets(const Tensor& logits, const Tensor& targets,
                   double smoothing) {
  check_floating("cross_entropy", logits);
  check_rank("cross_entropy", "logits", logits, 2);
  if (logits.size(1) < 1) {
    throw ShapeError(
        "[cross_entropy] expected at least one class, got logits "
        "of shape " +
        logits.shape().str());
  }
  if (!(smoothing >= 0.0 && smoothing <= 1.0)) {
    throw ValueError(
        "[cross_entropy] expected label_smoothing in [0, 1], got " +
        std::to_string(smoothing));
  }
  if (!targets.defined()) {
    throw ValueError(
        "[cross_entropy] expected labels or probabilities as targets, got an "
        "undefined tensor");
  }
  const std::int64_t samples = logits.size(0), classes = logits.size(1);
  if (targets.dtype() == DType::U8) {
    throw ValueError(
        "[cross_entropy] expected labels of i64 or probabilities of " +
        std::string(name_of(logits.dtype())) +
        ", got u8; convert labels with to(DType::I64)");
  }
  if (targets.dtype() != DType::I64) {
    check_same_dtype("cross_entropy", logits, targets);
    check_shape("cross_entropy", "probabilities", targets, logits.shape());
    return;
  }
  check_shape("cross_entropy", "i64 labels", targets, {samples});
  const std::int64_t* labels = targets.data<std::int64_t>();
  const std::int64_t n = kernels::find_out_of_range(samples, labels, classes);
  if (n < 0) return;
  throw ValueError("[cross_entropy] expected labels of the " +
                   std::to_string(classes) + " classes of the logits, got " +
                   std::to_string(labels[n]) + " for sample " +
                   std::to_string(n));
}

template <class T>
kernels::Targets<T> kernel_targets(const Tensor& targets, double smoothing) {
  kernels::Targets<T> result;
  result.smoothing = smoothing;
  if (targets.dtype() == DType::I64) {
    result.labels = targets.data<std::int64_t>();
  } else {
    result.probabilities = targets.data<T>();
  }
  return result;
}

bool vectors_for(const Tensor& x) {
  return x.dtype() == DType::F32 && backend() == Backend::Auto;
}

// The loss of each sample (N), not recorded.
Tensor sample_losses(const Tensor& x, const Tensor& targets, double smoothing) {
  const std::int64_t samples = x.size(0), classes = x.size(1);
  const Tensor losses = Tensor::empty({samples}, {x.dtype()});
  if (vectors_for(x)) {
    kernels::cross_entropy_fast(samples, classes, x.data<float>(),
                                kernel_targets<float>(targets, smoothing),
                                losses.mutable_data<float>());
    return losses;
  }
  dispatch_float("cross_entropy", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::cross_entropy(samples, classes, x.data<T>(),
                           kernel_targets<T>(targets, smoothing),
                           losses.mutable_data<T>());
  });
  return losses;
}

// The probabilities (N,C) that the loss aims at, written with ops.
Tensor smoothed(const Tensor& targets, const Tensor& logits, double smoothing) {
  Tensor q = targets;
  if (targets.dtype() == DType::I64) {
    const Tensor zero = Tensor::zeros_like(logits);
    const Tensor column = reshape(targets, {logits.size(0), 1});
    q = scatter_add(zero, 1, column,
                    Tensor::ones(column.shape(), {logits.dtype()}));
  }
  return add(mul(q, 1.0 - smoothing),
             smoothing / static_cast<double>(logits.size(1)));
}

// dx = scale dy (softmax(x) sum q - q), dy (N,1) or one element
Tensor logits_gradient(const Tensor& x, const Tensor& targets, double smoothing,
                       double scale, const Tensor& dy) {
  if (grad_enabled()) {
    const Tensor q = smoothed(targets, x, smoothing);
    const Tensor mass = sum(q, {1}, true);
    const Tensor per_sample = dy.rank() == 0 ? dy : reshape(dy, {x.size(0), 1});
    return mul(sub(mul(softmax(x), mass), q), mul(per_sample, scale));
  }
  const Tensor dx = Tensor::empty_like(x);
  const std::int64_t samples = x.size(0), classes = x.size(1);
  const std::int64_t step = dy.rank() == 0 ? 0 : 1;
  if (vectors_for(x)) {
    kernels::cross_entropy_gradient_fast(
        samples, classes, x.data<float>(),
        kernel_targets<float>(targets, smoothing), scale, dy.data<float>(),
        step, dx.mutable_data<float>());
    return dx;
  }
  dispatch_float("cross_entropy", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::cross_entropy_gradient(
        samples, classes, x.data<T>(), kernel_targets<T>(targets, smoothing),
        scale, dy.data<T>(), step, dx.mutable_data<T>());
  });
  return dx;
}

// dq = -scale dy log softmax(x)
Tensor targets_gradient(const Tensor& x, double smoothing, double scale,
                        const Tensor& dy) {
  const Tensor per_sample = dy.rank() == 0 ? dy : reshape(dy, {x.size(0), 1});
  return mul(log_softmax(x), mul(per_sample, (smoothing - 1.0) * scale));
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& targets,
                     const CrossEntropyOptions& options) {
  const double smoothing = options.label_smoothing;
  check_targets(logits, targets, smoothing);
  const std::int64_t samples = logits.size(0);
  const Tensor losses = sample_losses(logits, targets, smoothing);
  const Tensor y = [&] {
    const NoGrad guard;
    return reduce_losses(losses, options.reduction);
  }();
  const double scale = options.reduction == Reduction::Mean
                           ? 1.0 / static_cast<double>(samples)
                           : 1.0;
  return make_op("cross_entropy", {logits, targets}, y,
                 [smoothing, scale, sx = Saved(logits),
                  st = detail::saved_if(logits.requires_grad(), targets)](
                     const Tensor& dy, const BackwardContext& context) {
                   const Tensor x = sx.get();
                   std::vector<Tensor> dx(2);
                   if (context.needs(0)) {
                     dx[0] = logits_gradient(x, st.get(), smoothing, scale, dy);
                   }
                   if (context.needs(1)) {
                     dx[1] = targets_gradient(x, smoothing, scale, dy);
                   }
                   return dx;
                 });
}

// ---- losses of single elements ---------------------------------------------

Tensor mse(const Tensor& a, const Tensor& b, Reduction reduction) {
  check_same_dtype("mse", a, b);
  check_shape("mse", "b", b, a.shape());
  return reduce_losses(pow(sub(a, b), 2.0), reduction);
}

namespace {

// Losses of all elements: dx = dy (s(x) - t), dt = -dy x
Tensor binary_losses(const Tensor& x, const Tensor& t) {
  const char* const name = "binary_cross_entropy_with_logits";
  const Tensor y = detail::zip(name, kernels::Binary::LogisticLoss, x, t);
  return make_op("binary_cross_entropy_with_logits", {x, t}, y,
                 [sx = Saved(x), st = detail::saved_if(x.requires_grad(), t)](
                     const Tensor& dy, const BackwardContext& context) {
                   const Tensor x = sx.get();
                   std::vector<Tensor> dx(2);
                   if (context.needs(0)) {
                     dx[0] = mul(dy, sub(sigmoid(x), st.get()));
                   }
                   if (context.needs(1)) dx[1] = neg(mul(dy, x));
                   return dx;
                 });
}

}  // namespace

Tensor binary_cross_entropy_with_logits(const Tensor& logits,
                                        const Tensor& targets,
                                        Reduction reduction) {
  check_same_dtype("binary_cross_entropy_with_logits", logits, targets);
  check_shape("binary_cross_entropy_with_logits", "targets", targets,
              logits.shape());
  return reduce_losses(binary_losses(logits, targets.to(logits.layout())),
                       reduction);
}

}  // namespace mjolnir
