#pragma once

#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/products.h>
#include <mjolnir/layers/module.h>

namespace mjolnir {

/**
 * The Fisher matrix of a small model, F = 1/N sum over n of E_y [g g^T] with g
 * = grad log p(y | x_n), or of the targets' own g g^T (Kunstner et al.,
 * "Limitations of the empirical Fisher approximation", NeurIPS 2019).
 * (P,P) over its P trainable elements: parameters in the order of
 * named_parameters(), elements in logical order. From each sample's own
 * gradients (per_sample_gradients), so that it shares nothing with
 * fisher_vector_product(). For tests and small experiments: it takes P^2
 * numbers and N (times the outputs, if Exact) backward passes. Throws
 * ValueError for an empty batch, ShapeError.
 */
Tensor fisher_matrix(Module& model, Likelihood likelihood, const Batch& batch,
                     FisherKind kind = FisherKind::Exact);

/** Tensors as one vector (P), each in logical order; not recorded. */
Tensor flattened(const ParameterVector& tensors);

/** The reverse: cuts a vector (P) into tensors like the given ones. Throws
 * ShapeError unless their sizes add up to P. */
ParameterVector unflattened(const Tensor& vector, const ParameterVector& like);

}  // namespace mjolnir
