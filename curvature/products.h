#pragma once

#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/likelihood.h>
#include <mjolnir/layers/module.h>

namespace mjolnir {

/** One tensor per parameter, each of its parameter's shape and dtype. */
using ParameterVector = std::vector<Tensor>;

/**
 * H v, H the Hessian of a recorded scalar with respect to `parameters`, by
 * differentiating g^T v (Pearlmutter, "Fast exact multiplication by the
 * Hessian", 1994); the graph of `loss` is kept. Zero where the loss does not
 * depend on a parameter. Throws ShapeError unless v fits, and as grad().
 */
ParameterVector hessian_vector_product(const Tensor& loss,
                                       const ParameterVector& parameters,
                                       const ParameterVector& v);

/**
 * J v, J the Jacobian of recorded outputs with respect to `parameters`, of the
 * outputs' shape: the gradient of J^T u is linear in u, and its own gradient in
 * the direction v is J v. The graph of `outputs` is kept. Throws as above.
 */
Tensor jacobian_vector_product(const Tensor& outputs,
                               const ParameterVector& parameters,
                               const ParameterVector& v);

/**
 * J^T H_z J v, the generalized Gauss-Newton matrix (Schraudolph, "Fast
 * curvature matrix-vector products for second-order gradient descent", 2002)
 * of a scalar `loss` that was computed from `outputs` z; both graphs are kept.
 * Throws as above.
 */
ParameterVector gauss_newton_vector_product(const Tensor& outputs,
                                            const Tensor& loss,
                                            const ParameterVector& parameters,
                                            const ParameterVector& v);

/** Which Fisher matrix: whose targets its expectation is over. */
enum class FisherKind : std::uint8_t {
  Exact,     ///< The model's own distribution of targets.
  Empirical  ///< The batch's targets alone, as THOR.
};

/** The parameters of a model that want a gradient, each once, in the order of
 * named_parameters(). */
ParameterVector trainable_parameters(const Module& model);

/**
 * F v, F = 1/N sum over the batch of E_y [grad log p grad log p^T] over the
 * trainable parameters. Exact, it is the Gauss-Newton matrix of the negative
 * log likelihood. Nothing is accumulated and no observer is fed. Samples must
 * not be mixed: a model with BatchNorm belongs in evaluation mode. Throws
 * ValueError for an empty batch, ShapeError unless v fits.
 */
ParameterVector fisher_vector_product(Module& model, Likelihood likelihood,
                                      const Batch& batch,
                                      const ParameterVector& v,
                                      FisherKind kind = FisherKind::Exact);

}  // namespace mjolnir
