#pragma once

#include <cstdint>

#include <mjolnir/core/random.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir {

/** The distribution of the targets y that a model's outputs z describe. */
enum class Likelihood : std::uint8_t {
  Categorical,  ///< z (N,K) logits, y (N) labels: cross_entropy.
  Bernoulli,    ///< z logits, y probabilities of one shape, summed over the
                ///< outputs: binary_cross_entropy_with_logits.
  Gaussian      ///< y ~ N(z, I), of one shape: half the squared distance.
};

/**
 * -log p(y | z) of each sample (N), constants left out; differentiable. Throws
 * ShapeError for outputs that are not of rank 2 (Categorical) or targets that
 * do not fit, ValueError as the losses do.
 */
Tensor sample_losses(Likelihood likelihood, const Tensor& outputs,
                     const Tensor& targets);

/** The mean of sample_losses(). Throws as they do. */
Tensor negative_log_likelihood(Likelihood likelihood, const Tensor& outputs,
                               const Tensor& targets);

/**
 * F_z v for each sample, F_z = E_y [grad_z log p grad_z log p^T] the Fisher
 * matrix of the outputs, which for these likelihoods is the Hessian of
 * -log p(y | z) too: diag(p) - p p^T, diag(p (1 - p)), I. `v` has the outputs'
 * shape; nothing is recorded. Throws ShapeError.
 */
Tensor output_fisher_product(Likelihood likelihood, const Tensor& outputs,
                             const Tensor& v);

/**
 * Targets drawn from the model's own distribution, for the Fisher matrix by
 * sampling (Kunstner et al., "Limitations of the empirical Fisher
 * approximation", NeurIPS 2019, tell it from the training labels' one). Throws
 * ShapeError, ValueError.
 */
Tensor sample_targets(Likelihood likelihood, const Tensor& outputs,
                      Generator& rng);

}  // namespace mjolnir
