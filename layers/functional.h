#pragma once

#include <functional>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/layers/module.h>

namespace mjolnir {

/**
 * module(x) with other tensors in the places of named parameters or buffers,
 * put back before it returns or throws. Gradients flow to the given tensors,
 * so that a model is a differentiable function of its parameters. Names that
 * are not given keep their own. Throws ValueError for an unknown or repeated
 * name, a different dtype, ShapeError for a different shape.
 */
Tensor functional_call(Module& module,
                       const std::vector<NamedTensor>& parameters,
                       const Tensor& x);

/** Loss of a batch, for per_sample_gradients: a tensor of one element. */
using BatchLoss = std::function<Tensor(Module& model, const Batch& batch)>;

/**
 * The gradient of each sample's own loss: for every parameter that wants one a
 * tensor (N, parameter shape...), zero where the loss does not depend on it.
 * `loss` is called with batches of one sample, in order, and recorded inside a
 * NoGrad too. The model stays as it is: nothing is accumulated, no observer is
 * fed, and each call sees copies of the buffers, so that running statistics do
 * not move. A layer that mixes samples (BatchNorm in training) sees them alone;
 * Dropout in training draws a mask for each sample, which advances its stream:
 * eval() the model first where that matters. Throws ShapeError for images and
 * labels of different count or a loss of more than one element, ValueError for
 * an empty batch.
 */
std::vector<NamedTensor> per_sample_gradients(Module& model,
                                              const BatchLoss& loss,
                                              const Batch& batch);

}  // namespace mjolnir
