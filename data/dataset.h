#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>

namespace mjolnir::data {

/** What a Dataset is made of. */
struct DatasetParts {
  std::string name = {};
  Tensor images = {};  ///< U8 (N,C,H,W).
  Tensor labels = {};  ///< I64 (N), each in [0, class_names.size()).
  std::vector<std::string> class_names = {};
  /** Per channel, of pixels scaled to [0,1]; empty means: computed from
   * `images`. */
  std::vector<double> mean = {};
  std::vector<double> stddev = {};
};

/** Mean and standard deviation of each channel, of pixels in [0,1]. */
struct ChannelStatistics {
  std::vector<double> mean;
  std::vector<double> stddev;
};

/**
 * Labelled images of one size: a shared handle, cheap to copy, on data that
 * never change. A subset sees the same images through a list of indices.
 */
class Dataset {
 public:
  /** Throws ValueError or ShapeError if the parts do not fit together. */
  explicit Dataset(const DatasetParts& parts);

  const std::string& name() const noexcept;
  /** Number of samples. */
  std::int64_t size() const noexcept;
  std::int64_t channels() const noexcept;
  std::int64_t height() const noexcept;
  std::int64_t width() const noexcept;
  /** Number of classes. */
  std::int64_t classes() const noexcept;
  const std::vector<std::string>& class_names() const noexcept;
  /** Per channel, of pixels in [0,1]: what a Loader normalises with. */
  const std::vector<double>& mean() const noexcept;
  const std::vector<double>& stddev() const noexcept;

  /** Label of a sample. Throws ValueError for an index out of range. */
  std::int64_t label(std::int64_t index) const;
  /** Pixels of a sample in memory order (H,W,C); valid while a handle on the
   * data lives. Throws ValueError for an index out of range. */
  const std::uint8_t* pixels(std::int64_t index) const;
  /** A sample as a U8 tensor (C,H,W). */
  Tensor image(std::int64_t index) const;

  /** The samples at `indices`, in that order, without copying them. Throws
   * ValueError for an index out of range. */
  Dataset subset(const std::vector<std::int64_t>& indices) const;
  /** The first `count` samples, or all if there are fewer. */
  Dataset first(std::int64_t count) const;
  /** The same samples, normalised by these numbers (one per channel). */
  Dataset with_statistics(const ChannelStatistics& statistics) const;
  /** Computed over the samples of this handle. */
  ChannelStatistics channel_statistics() const;

 private:
  struct Store;
  std::size_t position(std::int64_t index) const;

  std::shared_ptr<const Store> store_;
  std::shared_ptr<const std::vector<std::int64_t>> indices_;  // null: all
  ChannelStatistics statistics_;
};

/** Two disjoint parts of a data set. */
struct SplitDataset {
  Dataset train;
  Dataset validation;
};

/**
 * Holds `validation_count` samples, drawn by `seed`, out of a data set; both
 * parts keep the original order. The same arguments give the same split on
 * every machine. Throws ValueError unless 0 <= validation_count <= size.
 */
SplitDataset split(const Dataset& dataset, std::int64_t validation_count,
                   std::uint64_t seed);

}  // namespace mjolnir::data
