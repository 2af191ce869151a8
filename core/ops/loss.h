#pragma once

#include <cstdint>

#include <mjolnir/core/tensor.h>

namespace mjolnir {

/** What a loss does with the losses of its samples or elements. */
enum class Reduction : std::uint8_t { Mean, Sum, None };

/** e^x / sum e^x along an axis; finite for any finite x. Throws ShapeError for
 * an axis that does not exist, ValueError for integers. */
Tensor softmax(const Tensor& x, std::int64_t axis = -1);

/** log(softmax(x)) without the detour; finite for any finite x. Throws as
 * softmax(). */
Tensor log_softmax(const Tensor& x, std::int64_t axis = -1);

/** Options of cross_entropy(). */
struct CrossEntropyOptions {
  /** Share of the target that is spread evenly over all classes, in [0,1]. */
  double label_smoothing = 0.0;
  /** Mean is over samples. */
  Reduction reduction = Reduction::Mean;
};

/**
 * -sum_c q_c log softmax(logits)_c per sample: logits (N,C); targets are
 * labels (N), i64, or probabilities q (N,C) of the logits' dtype, through
 * which gradients flow too. Throws ShapeError, or ValueError for a label
 * outside [0, C), another dtype, or a label_smoothing outside [0, 1].
 */
Tensor cross_entropy(const Tensor& logits, const Tensor& targets,
                     const CrossEntropyOptions& options = {});

/** (a - b)^2 of two tensors of one shape; the mean is over elements. Throws
 * ShapeError for shapes and ValueError for dtypes that differ, ValueError for
 * integers. */
Tensor mse(const Tensor& a, const Tensor& b,
           Reduction reduction = Reduction::Mean);

/** -(t log s(x) + (1 - t) log(1 - s(x))), s the logistic function, for logits
 * x and targets t of one shape; the mean is over elements. Throws as mse(). */
Tensor binary_cross_entropy_with_logits(const Tensor& logits,
                                        const Tensor& targets,
                                        Reduction reduction = Reduction::Mean);

}  // namespace mjolnir
