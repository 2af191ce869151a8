#include <mjolnir/curvature/likelihood.h>

#include <vector>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/loss.h>
#include <mjolnir/core/ops/reduce.h>

#include "core/detail/check.h"
#include "core/detail/dispatch.h"

namespace mjolnir {
namespace {

void check_outputs(const char* op, Likelihood likelihood,
                   const Tensor& outputs) {
  check_floating(op, outputs);
  if (likelihood == Likelihood::Categorical) {
    check_rank(op, "outputs of a categorical likelihood", outputs, 2);
  } else if (outputs.rank() < 1) {
    throw ShapeError("[" + std::string(op) +
                     "] expected outputs with a sample axis, got a scalar");
  }
}

/** One draw per element: f(output) of the outputs in logical order. */
template <class F>
Tensor draw(const Tensor& outputs, F f) {
  const Tensor rows = outputs.detach().to(Layout::RowMajor);
  const Tensor drawn = Tensor::empty(rows.shape(), {rows.dtype()});
  dispatch_float("sample_targets", rows.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* z = rows.data<T>();
    T* y = drawn.mutable_data<T>();
    for (std::int64_t i = 0; i < rows.numel(); ++i) {
      y[i] = static_cast<T>(f(double{z[i]}));
    }
  });
  return drawn;
}

/** The first class whose cumulative probability exceeds a uniform number. */
Tensor draw_classes(const Tensor& probabilities, Generator& rng) {
  const std::vector<double> p =
      probabilities.to(DType::F64).to_vector<double>();
  const auto classes = static_cast<std::size_t>(probabilities.size(1));
  std::vector<std::int64_t> labels;
  for (std::size_t row = 0; row < p.size(); row += classes) {
    double left = rng.uniform();
    std::size_t k = 0;
    while (k + 1 < classes && left >= p[row + k]) left -= p[row + k++];
    labels.push_back(static_cast<std::int64_t>(k));
  }
  return Tensor::from(labels, {probabilities.size(0)});
}

}  // namespace

Tensor sample_losses(Likelihood likelihood, const Tensor& outputs,
                     const Tensor& targets) {
  check_outputs("sample_losses", likelihood, outputs);
  CrossEntropyOptions each;
  each.reduction = Reduction::None;
  Axes rest;
  for (std::size_t axis = 1; axis < outputs.rank(); ++axis) {
    rest.push_back(static_cast<std::int64_t>(axis));
  }
  switch (likelihood) {
    case Likelihood::Categorical:
      return cross_entropy(outputs, targets, each);
    case Likelihood::Bernoulli:
      return sum(
          binary_cross_entropy_with_logits(outputs, targets, Reduction::None),
          rest);
    case Likelihood::Gaussian:
      break;
  }
  return sum(mse(outputs, targets, Reduction::None), rest) * 0.5;
}

Tensor negative_log_likelihood(Likelihood likelihood, const Tensor& outputs,
                               const Tensor& targets) {
  return mean(sample_losses(likelihood, outputs, targets));
}

Tensor output_fisher_product(Likelihood likelihood, const Tensor& outputs,
                             const Tensor& v) {
  check_outputs("output_fisher_product", likelihood, outputs);
  check_shape("output_fisher_product", "v", v, outputs.shape());
  const NoGrad no_grad;
  switch (likelihood) {
    case Likelihood::Categorical: {
      const Tensor p = softmax(outputs, 1);
      const Tensor pv = p * v;
      return pv - p * sum(pv, {1}, true);
    }
    case Likelihood::Bernoulli: {
      const Tensor p = sigmoid(outputs);
      return p * (1.0 - p) * v;
    }
    case Likelihood::Gaussian:
      break;
  }
  return v.clone();
}

Tensor sample_targets(Likelihood likelihood, const Tensor& outputs,
                      Generator& rng) {
  check_outputs("sample_targets", likelihood, outputs);
  const NoGrad no_grad;
  switch (likelihood) {
    case Likelihood::Categorical:
      return draw_classes(softmax(outputs, 1), rng);
    case Likelihood::Bernoulli:
      return draw(sigmoid(outputs),
                  [&rng](double p) { return rng.uniform() < p ? 1.0 : 0.0; });
    case Likelihood::Gaussian:
      break;
  }
  return draw(outputs, [&rng](double z) { return z + rng.normal(); });
}

}  // namespace mjolnir
