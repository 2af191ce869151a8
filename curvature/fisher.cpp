#include <mjolnir/curvature/fisher.h>

#include <string>
#include <utility>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/linalg.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/layers/functional.h>

#include "curvature/detail/batch.h"

namespace mjolnir {
namespace {

/** (N,P): the gradient of loss(model, sample) in row n. */
Tensor gradient_rows(Module& model, const BatchLoss& loss, const Batch& batch) {
  const std::int64_t samples = batch.images.size(0);
  std::vector<Tensor> columns;
  for (const auto& [name, gradients] :
       per_sample_gradients(model, loss, batch)) {
    columns.push_back(reshape(gradients, {samples, -1}));
  }
  const NoGrad no_grad;
  return concat(columns, 1);
}

/** Output k of the one sample of a batch. */
BatchLoss output_number(std::int64_t k) {
  return [k](Module& model, const Batch& one) {
    return slice(reshape(model(one.images), {-1}), 0, k, k + 1);
  };
}

/** sum_n 1/N J_n^T F_z J_n, with row n of jacobian[k] the gradient of output k
 * of sample n. */
Tensor exact(Module& model, const Batch& batch, Likelihood likelihood) {
  Tensor outputs;
  {
    const NoGrad no_grad;
    outputs = model(batch.images);
  }
  const std::int64_t samples = outputs.size(0);
  const std::int64_t length = outputs.numel() / samples;
  std::vector<Tensor> jacobian;
  for (std::int64_t k = 0; k < length; ++k) {
    jacobian.push_back(gradient_rows(model, output_number(k), batch));
  }
  const NoGrad no_grad;
  Tensor total;
  for (std::int64_t k = 0; k < length; ++k) {
    // Column k of every sample's F_z.
    const Tensor unit = pad(Tensor::ones({samples, 1}, {outputs.dtype()}),
                            {{0, 0}, {k, length - k - 1}});
    const Tensor column =
        reshape(output_fisher_product(likelihood, outputs,
                                      reshape(unit, outputs.shape())),
                {samples, length});
    Tensor weighted;  // (N,P): sum_l F_z[l,k] J_l
    for (std::int64_t l = 0; l < length; ++l) {
      const Tensor part =
          jacobian[static_cast<std::size_t>(l)] * slice(column, 1, l, l + 1);
      weighted = weighted.defined() ? weighted + part : part;
    }
    // (P,P) += J_k^T (P,N) weighted (N,P)
    const Tensor part = linalg::matmul(jacobian[static_cast<std::size_t>(k)],
                                       weighted, true, false);
    total = total.defined() ? total + part : part;
  }
  return total * (1.0 / static_cast<double>(samples));
}

}  // namespace

Tensor fisher_matrix(Module& model, Likelihood likelihood, const Batch& batch,
                     FisherKind kind) {
  check_batch("fisher_matrix", batch);
  if (kind == FisherKind::Exact) {
    return exact(model, batch, likelihood);
  }
  const Tensor rows = gradient_rows(
      model,
      [&](Module& net, const Batch& one) {
        return negative_log_likelihood(likelihood, net(one.images), one.labels);
      },
      batch);
  const NoGrad no_grad;
  return linalg::syrk(rows, true) * (1.0 / static_cast<double>(rows.size(0)));
}

Tensor flattened(const ParameterVector& tensors) {
  const NoGrad no_grad;
  std::vector<Tensor> parts;
  for (const Tensor& t : tensors) parts.push_back(reshape(t.detach(), {-1}));
  return concat(parts, 0);
}

ParameterVector unflattened(const Tensor& vector, const ParameterVector& like) {
  std::int64_t total = 0;
  for (const Tensor& t : like) total += t.numel();
  if (vector.rank() != 1 || vector.numel() != total) {
    throw ShapeError("[unflattened] expected a vector of " +
                     std::to_string(total) + " elements, got shape " +
                     vector.shape().str());
  }
  const NoGrad no_grad;
  ParameterVector parts;
  std::int64_t begin = 0;
  for (const Tensor& t : like) {
    const std::int64_t end = begin + t.numel();
    parts.push_back(reshape(slice(vector, 0, begin, end), t.shape())
                        .to(t.layout())
                        .clone());
    begin = end;
  }
  return parts;
}

}  // namespace mjolnir
