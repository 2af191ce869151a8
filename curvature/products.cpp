#include <mjolnir/curvature/products.h>

#include <cstddef>
#include <string>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>

#include "core/detail/check.h"
#include "curvature/detail/batch.h"

namespace mjolnir {
namespace {

void check_vector(const char* op, const ParameterVector& parameters,
                  const ParameterVector& v) {
  if (v.size() != parameters.size()) {
    throw ShapeError("[" + std::string(op) + "] expected v with " +
                     std::to_string(parameters.size()) +
                     " tensors, one per parameter, got " +
                     std::to_string(v.size()));
  }
  for (std::size_t i = 0; i < v.size(); ++i) {
    check_shape(op, "v", v[i], parameters[i].shape());
    check_same_dtype(op, parameters[i], v[i]);
  }
}

/** sum_i <x_i, y_i> over what is defined; undefined if nothing is. */
Tensor inner_product(const std::vector<Tensor>& x,
                     const std::vector<Tensor>& y) {
  Tensor total;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!x[i].defined()) continue;
    const Tensor part = sum(x[i] * y[i]);
    total = total.defined() ? total + part : part;
  }
  return total;
}

ParameterVector zeros_for_undefined(ParameterVector given,
                                    const ParameterVector& parameters) {
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (!given[i].defined()) given[i] = Tensor::zeros_like(parameters[i]);
  }
  return given;
}

GradOptions recorded() {
  GradOptions options;
  options.create_graph = true;
  options.allow_unused = true;
  return options;
}

GradOptions kept(const Tensor& gradient = {}) {
  GradOptions options;
  options.retain_graph = true;
  options.allow_unused = true;
  if (gradient.defined()) options.grad_outputs = {gradient};
  return options;
}

/** Gradients of a scalar that may not depend on anything: zeros then. */
ParameterVector gradients(const Tensor& scalar,
                          const ParameterVector& parameters,
                          const GradOptions& options) {
  if (!scalar.defined() || !scalar.requires_grad()) {
    return zeros_for_undefined(ParameterVector(parameters.size()), parameters);
  }
  return zeros_for_undefined(grad({scalar}, parameters, options), parameters);
}

/** J^T u */
ParameterVector transposed_product(const Tensor& outputs, const Tensor& u,
                                   const ParameterVector& parameters) {
  return zeros_for_undefined(grad({outputs}, parameters, kept(u)), parameters);
}

}  // namespace

ParameterVector hessian_vector_product(const Tensor& loss,
                                       const ParameterVector& parameters,
                                       const ParameterVector& v) {
  check_vector("hessian_vector_product", parameters, v);
  const EnableGrad enable;
  const ParameterVector g = grad({loss}, parameters, recorded());
  return gradients(inner_product(g, v), parameters, kept());
}

Tensor jacobian_vector_product(const Tensor& outputs,
                               const ParameterVector& parameters,
                               const ParameterVector& v) {
  check_vector("jacobian_vector_product", parameters, v);
  const EnableGrad enable;
  const Tensor u = Tensor::zeros_like(outputs.detach());
  u.set_requires_grad(true);
  GradOptions options = recorded();
  options.grad_outputs = {u};
  const ParameterVector g = grad({outputs}, parameters, options);
  return gradients(inner_product(g, v), {u}, kept()).front();
}

ParameterVector gauss_newton_vector_product(const Tensor& outputs,
                                            const Tensor& loss,
                                            const ParameterVector& parameters,
                                            const ParameterVector& v) {
  check_vector("gauss_newton_vector_product", parameters, v);
  const EnableGrad enable;
  const Tensor jv = jacobian_vector_product(outputs, parameters, v);
  const std::vector<Tensor> g = grad({loss}, {outputs}, recorded());
  const Tensor hjv =
      gradients(inner_product(g, {jv}), {outputs}, kept()).front();
  return transposed_product(outputs, hjv, parameters);
}

ParameterVector trainable_parameters(const Module& model) {
  ParameterVector parameters;
  for (const Tensor& p : model.parameters()) {
    if (p.requires_grad()) parameters.push_back(p);
  }
  return parameters;
}

ParameterVector fisher_vector_product(Module& model, Likelihood likelihood,
                                      const Batch& batch,
                                      const ParameterVector& v,
                                      FisherKind kind) {
  const ParameterVector parameters = trainable_parameters(model);
  check_vector("fisher_vector_product", parameters, v);
  check_batch("fisher_vector_product", batch);
  const EnableGrad enable;
  const Tensor outputs = model(batch.images);
  const double share = 1.0 / static_cast<double>(outputs.size(0));
  if (kind == FisherKind::Empirical) {
    // 1/N J_l^T J_l v, with the rows of J_l the samples' gradients
    const Tensor losses = sample_losses(likelihood, outputs, batch.labels);
    const Tensor jv = jacobian_vector_product(losses, parameters, v);
    return transposed_product(losses, jv * share, parameters);
  }
  const Tensor jv = jacobian_vector_product(outputs, parameters, v);
  return transposed_product(
      outputs, output_fisher_product(likelihood, outputs.detach(), jv) * share,
      parameters);
}

}  // namespace mjolnir
