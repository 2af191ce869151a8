#include <mjolnir/data/dataset.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <mjolnir/core/random.h>

namespace mjolnir::data {

struct Dataset::Store {
  std::string name;
  Tensor images;  // ChannelsLast: (N,H,W,C) in memory
  Tensor labels;
  std::vector<std::string> class_names;
};

namespace {

void check_parts(const DatasetParts& parts) {
  const std::string prefix = "[dataset] '" + parts.name + "': ";
  if (!parts.images.defined() || parts.images.dtype() != DType::U8) {
    throw ValueError(prefix + "expected images of dtype u8");
  }
  if (parts.images.rank() != 4) {
    throw ShapeError(prefix + "expected images of shape (N,C,H,W), got " +
                     parts.images.shape().str());
  }
  if (!parts.labels.defined() || parts.labels.dtype() != DType::I64) {
    throw ValueError(prefix + "expected labels of dtype i64");
  }
  if (parts.labels.rank() != 1 ||
      parts.labels.size(0) != parts.images.size(0)) {
    throw ShapeError(prefix + "got images of shape " +
                     parts.images.shape().str() + " but labels of shape " +
                     parts.labels.shape().str() + ": one label an image");
  }
  const Shape& shape = parts.images.shape();
  if (shape[1] < 1 || shape[2] < 1 || shape[3] < 1) {
    throw ShapeError(prefix + "images of shape " + shape.str() +
                     " have no pixels");
  }
  const auto classes = static_cast<std::int64_t>(parts.class_names.size());
  const std::int64_t* labels = parts.labels.data<std::int64_t>();
  for (std::int64_t i = 0; i < parts.labels.numel(); ++i) {
    if (labels[i] < 0 || labels[i] >= classes) {
      throw ValueError(prefix + "sample " + std::to_string(i) + " has label " +
                       std::to_string(labels[i]) + ", but there are " +
                       std::to_string(classes) + " classes");
    }
  }
}

void check_statistics(const std::string& name, std::int64_t channels,
                      const ChannelStatistics& statistics) {
  const auto count = static_cast<std::size_t>(channels);
  bool good =
      statistics.mean.size() == count && statistics.stddev.size() == count;
  for (std::size_t c = 0; good && c < count; ++c) {
    good = std::isfinite(statistics.mean[c]) &&
           std::isfinite(statistics.stddev[c]) && statistics.stddev[c] >= 0;
  }
  if (!good) {
    throw ValueError("[dataset] '" + name +
                     "': expected a finite mean and a standard deviation of "
                     "at least 0 for each of " +
                     std::to_string(channels) + " channels");
  }
}

}  // namespace

Dataset::Dataset(const DatasetParts& parts) {
  check_parts(parts);
  auto store = std::make_shared<Store>();
  store->name = parts.name;
  store->images = parts.images.to(Layout::ChannelsLast);
  store->labels = parts.labels;
  store->class_names = parts.class_names;
  store_ = std::move(store);
  if (parts.mean.empty() && parts.stddev.empty()) {
    statistics_ = channel_statistics();
  } else {
    statistics_ = {parts.mean, parts.stddev};
    check_statistics(name(), channels(), statistics_);
  }
}

const std::string& Dataset::name() const noexcept { return store_->name; }
std::int64_t Dataset::size() const noexcept {
  return indices_ ? static_cast<std::int64_t>(indices_->size())
                  : store_->images.shape()[0];
}
std::int64_t Dataset::channels() const noexcept {
  return store_->images.shape()[1];
}
std::int64_t Dataset::height() const noexcept {
  return store_->images.shape()[2];
}
std::int64_t Dataset::width() const noexcept {
  return store_->images.shape()[3];
}
std::int64_t Dataset::classes() const noexcept {
  return static_cast<std::int64_t>(store_->class_names.size());
}
const std::vector<std::string>& Dataset::class_names() const noexcept {
  return store_->class_names;
}
const std::vector<double>& Dataset::mean() const noexcept {
  return statistics_.mean;
}
const std::vector<double>& Dataset::stddev() const noexcept {
  return statistics_.stddev;
}

std::size_t Dataset::position(std::int64_t index) const {
  if (index < 0 || index >= size()) {
    throw ValueError("[dataset] '" + name() + "' has " +
                     std::to_string(size()) + " samples, got index " +
                     std::to_string(index));
  }
  return static_cast<std::size_t>(
      indices_ ? (*indices_)[static_cast<std::size_t>(index)] : index);
}

std::int64_t Dataset::label(std::int64_t index) const {
  return store_->labels.data<std::int64_t>()[position(index)];
}

const std::uint8_t* Dataset::pixels(std::int64_t index) const {
  const std::int64_t bytes = channels() * height() * width();
  return store_->images.data<std::uint8_t>() +
         position(index) * static_cast<std::size_t>(bytes);
}

Tensor Dataset::image(std::int64_t index) const {
  TensorOptions options;
  options.dtype = DType::U8;
  const Tensor out = Tensor::empty({channels(), height(), width()}, options);
  const std::uint8_t* from = pixels(index);
  std::uint8_t* to = out.mutable_data<std::uint8_t>();
  const std::int64_t area = height() * width();
  for (std::int64_t p = 0; p < area; ++p) {
    for (std::int64_t c = 0; c < channels(); ++c) {
      to[c * area + p] = *from++;
    }
  }
  return out;
}

Dataset Dataset::subset(const std::vector<std::int64_t>& indices) const {
  auto positions = std::make_shared<std::vector<std::int64_t>>();
  positions->reserve(indices.size());
  for (const std::int64_t index : indices) {
    positions->push_back(static_cast<std::int64_t>(position(index)));
  }
  Dataset out(*this);
  out.indices_ = std::move(positions);
  return out;
}

Dataset Dataset::first(std::int64_t count) const {
  std::vector<std::int64_t> indices(
      static_cast<std::size_t>(std::clamp<std::int64_t>(count, 0, size())));
  for (std::size_t i = 0; i < indices.size(); ++i) {
    indices[i] = static_cast<std::int64_t>(i);
  }
  return subset(indices);
}

Dataset Dataset::with_statistics(const ChannelStatistics& statistics) const {
  check_statistics(name(), channels(), statistics);
  Dataset out(*this);
  out.statistics_ = statistics;
  return out;
}

ChannelStatistics Dataset::channel_statistics() const {
  const auto count = static_cast<std::size_t>(channels());
  // Sums of bytes and of their squares are exact in 64 bits.
  std::vector<std::uint64_t> sum(count), squares(count);
  const std::int64_t area = height() * width();
  for (std::int64_t i = 0; i < size(); ++i) {
    const std::uint8_t* pixel = pixels(i);
    for (std::int64_t p = 0; p < area; ++p) {
      for (std::size_t c = 0; c < count; ++c) {
        const std::uint64_t value = *pixel++;
        sum[c] += value;
        squares[c] += value * value;
      }
    }
  }
  const double total =
      static_cast<double>(std::max<std::int64_t>(size() * area, 1));
  ChannelStatistics out;
  for (std::size_t c = 0; c < count; ++c) {
    const double mean = static_cast<double>(sum[c]) / total;
    const double variance =
        static_cast<double>(squares[c]) / total - mean * mean;
    out.mean.push_back(mean / 255);
    out.stddev.push_back(std::sqrt(std::max(variance, 0.0)) / 255);
  }
  return out;
}

SplitDataset split(const Dataset& dataset, std::int64_t validation_count,
                   std::uint64_t seed) {
  if (validation_count < 0 || validation_count > dataset.size()) {
    throw ValueError("[split] cannot hold " + std::to_string(validation_count) +
                     " of " + std::to_string(dataset.size()) +
                     " samples out of '" + dataset.name() + "' for validation");
  }
  std::vector<std::int64_t> order = Generator(seed).permutation(dataset.size());
  const auto middle = order.begin() + validation_count;
  std::sort(order.begin(), middle);
  std::sort(middle, order.end());
  return {dataset.subset({middle, order.end()}),
          dataset.subset({order.begin(), middle})};
}

}  // namespace mjolnir::data
