#pragma once

#include <cstdint>
#include <functional>

#include <mjolnir/core/tensor.h>

namespace mjolnir::train {

/** What a run minimises, and when an answer counts as correct. */
struct Objective {
  /** Mean loss of a batch, from the model's output for batch.images. */
  std::function<Tensor(const Tensor& output, const Batch& batch)> loss;
  /** Correct answers in a batch; empty: the task has no such notion. */
  std::function<std::int64_t(const Tensor& output, const Batch& batch)> correct;
};

/** Cross entropy of logits (N,C) with labels (N); the largest logit is the
 * answer. */
Objective classification(double label_smoothing = 0.0);

/** Rebuilding the input from itself: binary cross entropy of the logits
 * (N, D) with the images (N, ...) of values in [0,1], summed over the D pixels
 * and averaged over the batch. */
Objective reconstruction();

}  // namespace mjolnir::train
