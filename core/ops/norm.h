#pragma once

#include <cstdint>

#include <mjolnir/core/random.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir {

/** What batch_norm does besides normalising. */
struct BatchNormOptions {
  /** Normalise by the batch's statistics and update the running ones; else
   * normalise by the running ones, which stay as they are. */
  bool training = false;
  /** Share of the batch's statistics in the running ones, in [0, 1]. */
  double momentum = 0.1;
  /** Added to the variance. */
  double epsilon = 1e-5;
};

/**
 * y = (x - mean) / sqrt(variance + epsilon) * weight + bias per channel (Ioffe
 * & Szegedy, "Batch normalization", 2015). The batch's variance is biased, the
 * one that goes into running_var unbiased, as in PyTorch.
 * x (N,C,H,W) in any layout, giving ChannelsLast, or (N,C); weight and bias
 * (C) or undefined; running_mean and running_var (C), in training changed in
 * place, where they may be undefined. Throws ShapeError, and ValueError in
 * training for a single value per channel, which has no variance.
 */
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const Tensor& running_mean, const Tensor& running_var,
                  const BatchNormOptions& options = {});

/**
 * relu(batch_norm(x) + addend) in one pass, with its gradient in one more:
 * what follows a convolution in a residual network. `addend` has the shape of
 * x or is undefined; all else is as for batch_norm. In the scope of a Trace
 * the ops it is made of run instead.
 */
Tensor batch_norm_relu(const Tensor& x, const Tensor& weight,
                       const Tensor& bias, const Tensor& running_mean,
                       const Tensor& running_var,
                       const BatchNormOptions& options = {},
                       const Tensor& addend = {});

/**
 * y = (x - mean) / sqrt(variance + epsilon) * weight + bias, with the moments
 * over the last `normalized_axes` axes of each sample (Ba, Kiros & Hinton,
 * "Layer normalization", 2016). weight and bias have the shape of those axes
 * or are undefined. Gives RowMajor. Throws ShapeError, ValueError.
 */
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  std::int64_t normalized_axes, double epsilon = 1e-5);

/**
 * In training each element becomes 0 with probability p and x / (1 - p)
 * otherwise; else x itself. Draws one key from `rng`: which elements go
 * depends on it and their place in memory, not on the threads. Throws
 * ValueError for p outside [0, 1].
 */
Tensor dropout(const Tensor& x, double p, Generator& rng, bool training);

}  // namespace mjolnir
