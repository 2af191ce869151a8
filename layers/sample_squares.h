#pragma once

#include <cstdint>

#include <mjolnir/core/tensor.h>
#include <mjolnir/layers/curvature.h>

namespace mjolnir {

/**
 * An observer that sums the squares of something linear in the gradient of
 * each sample, dW_n, the gradient of sample n's own part of the loss: of a mean
 * over N samples, 1/N of that of its own loss. Additive over backward passes.
 * The gradient of a sample is complete only if the layer is used once in a
 * pass: a second use throws ValueError and forgets the sums. Where a batch is
 * normalised by its statistics, what counts as a sample's gradient is the part
 * that reaches the layer through that sample's outputs.
 */
class SampleSquaresObserver : public CurvatureObserver {
 public:
  explicit SampleSquaresObserver(Purpose purpose) : purpose_(purpose) {}

  /** The sum over samples; undefined until something was recorded. */
  const Tensor& sum() const noexcept { return sum_; }
  /** N, the samples in it; as a layer counts them (see DenseOptions). */
  std::int64_t samples() const noexcept { return samples_; }
  /** Whether the records to come are added; at first they are. */
  void collect(bool on) noexcept { collecting_ = on; }

  bool collecting() const override { return collecting_; }
  Purpose purpose() const override { return purpose_; }
  void clear() override;

 protected:
  /** Counts a record's samples; `name` is the observer's, in errors. False if
   * there is nothing to add. Throws ValueError for a second use in a pass, and
   * for positions that the samples do not share evenly. */
  bool begin(const char* name, const CurvatureRecord& record);

  Tensor sum_;

 private:
  Purpose purpose_;
  bool collecting_ = true;
  std::int64_t samples_ = 0;
  std::uint64_t pass_ = 0;  ///< Of the last record.
};

}  // namespace mjolnir
