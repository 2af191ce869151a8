#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace mjolnir::train {

/** Mean loss and accuracy over the samples seen so far. */
struct Meter {
  double loss_sum = 0.0;  ///< Sum of the losses of single samples.
  std::int64_t samples = 0;
  std::int64_t correct = 0;
  /** False if the task has no notion of a correct answer. */
  bool has_accuracy = false;

  /** Adds a batch whose mean loss is `mean_loss`; correct < 0: no accuracy. */
  void add(double mean_loss, std::int64_t count, std::int64_t right) {
    loss_sum += mean_loss * static_cast<double>(count);
    samples += count;
    if (right >= 0) {
      has_accuracy = true;
      correct += right;
    }
  }

  /** Mean loss per sample; NaN without samples. */
  double loss() const { return loss_sum / static_cast<double>(samples); }

  /** Share of correct answers, 0..1; NaN without samples or accuracy. */
  double accuracy() const {
    return has_accuracy
               ? static_cast<double>(correct) / static_cast<double>(samples)
               : std::numeric_limits<double>::quiet_NaN();
  }

  /** Binomial standard error of accuracy(): sqrt(p (1 - p) / n). */
  double standard_error() const {
    const double p = accuracy();
    return std::sqrt(p * (1.0 - p) / static_cast<double>(samples));
  }
};

}  // namespace mjolnir::train
