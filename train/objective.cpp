#include "train/objective.h"

#include <mjolnir/core/ops.h>

#include <vector>

namespace mjolnir::train {

namespace {

std::int64_t correct_answers(const Tensor& logits, const Batch& batch) {
  const auto answers = argmax(logits.detach(), 1).to_vector<std::int64_t>();
  const auto labels = batch.labels.to_vector<std::int64_t>();
  std::int64_t count = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    count += answers[i] == labels[i];
  }
  return count;
}

}  // namespace

Objective classification(double label_smoothing) {
  Objective objective;
  objective.loss = [label_smoothing](const Tensor& logits, const Batch& batch) {
    CrossEntropyOptions options;
    options.label_smoothing = label_smoothing;
    return cross_entropy(logits, batch.labels, options);
  };
  objective.correct = correct_answers;
  return objective;
}

Objective reconstruction() {
  Objective objective;
  objective.loss = [](const Tensor& logits, const Batch& batch) {
    const Tensor target = reshape(batch.images, logits.shape());
    const auto samples = static_cast<double>(logits.size(0));
    return binary_cross_entropy_with_logits(logits, target, Reduction::Sum) /
           samples;
  };
  return objective;
}

}  // namespace mjolnir::train
