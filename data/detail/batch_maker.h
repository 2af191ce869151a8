#pragma once

#include <cstdint>
#include <vector>

#include <mjolnir/data/loader.h>

namespace mjolnir::data::detail {

/** The randomness of one epoch. */
struct EpochPlan {
  std::uint64_t sample_key = 0;     ///< Of the augmentation.
  std::vector<std::int64_t> order;  ///< Indices of the samples.
};

/** Makes any batch of any epoch; its calls may run at the same time. */
class BatchMaker {
 public:
  /** Throws ValueError for an option out of range. */
  BatchMaker(Dataset dataset, const LoaderOptions& options);

  const Dataset& dataset() const noexcept { return dataset_; }
  const LoaderOptions& options() const noexcept { return options_; }
  std::int64_t steps() const noexcept { return steps_; }

  EpochPlan plan(std::uint64_t key, std::int64_t epoch) const;
  Batch make(const EpochPlan& plan, std::int64_t step) const;
  /** A batch of that many samples, uninitialised. */
  Batch empty(std::int64_t count) const;

 private:
  void check() const;
  void normalise(const std::uint8_t* pixels, float* out) const;

  Dataset dataset_;
  LoaderOptions options_;
  std::int64_t steps_ = 0;
  std::int64_t height_ = 0;  // of the batch
  std::int64_t width_ = 0;
  bool place_ = false;              // pixels move before they are normalised
  std::vector<float> table_;        // (channels, 256): byte -> normalised
  std::vector<std::uint8_t> fill_;  // (channels): the mean colour
};

}  // namespace mjolnir::data::detail
