#include "data/detail/batch_maker.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

namespace mjolnir::data::detail {
namespace {

[[noreturn]] void fail(const std::string& reason) {
  throw ValueError("[loader] " + reason);
}

void check_range(const char* name, std::int64_t value, std::int64_t low,
                 std::int64_t high) {
  if (value < low || value > high) {
    fail("expected " + std::string(name) + " from " + std::to_string(low) +
         " to " + std::to_string(high) + ", got " + std::to_string(value));
  }
}

}  // namespace

BatchMaker::BatchMaker(Dataset dataset, const LoaderOptions& options)
    : dataset_(std::move(dataset)), options_(options) {
  check();
  const std::int64_t n = dataset_.size();
  steps_ = options_.last_batch == LastBatch::Keep
               ? n / options_.batch + (n % options_.batch != 0 ? 1 : 0)
               : n / options_.batch;
  height_ = std::max(dataset_.height(), options_.pad_to);
  width_ = std::max(dataset_.width(), options_.pad_to);
  const AugmentOptions& augment = options_.augment;
  place_ = options_.pad_to > 0 || augment.crop_padding > 0 || augment.flip ||
           augment.cutout > 0 || augment.custom;

  for (std::int64_t c = 0; c < dataset_.channels(); ++c) {
    const double mean = dataset_.mean()[static_cast<std::size_t>(c)];
    const double stddev = dataset_.stddev()[static_cast<std::size_t>(c)];
    const double scale = stddev > 0 ? 1 / stddev : 1.0;
    for (int value = 0; value < 256; ++value) {
      const auto x = static_cast<float>((value / 255.0 - mean) * scale);
      if (!std::isfinite(x)) {
        fail("data set '" + dataset_.name() + "' has mean " +
             std::to_string(mean) + " and standard deviation " +
             std::to_string(stddev) + " in channel " + std::to_string(c) +
             ": normalised pixels do not fit in f32");
      }
      table_.push_back(x);
    }
    fill_.push_back(static_cast<std::uint8_t>(
        std::lround(std::clamp(mean, 0.0, 1.0) * 255)));
  }
}

void BatchMaker::check() const {
  constexpr std::int64_t most = std::int64_t{1} << 20;
  check_range("batch", options_.batch, 1, std::int64_t{1} << 31);
  check_range("workers", options_.workers, 0, 64);
  check_range("prefetch", options_.prefetch, 1, 1024);
  check_range("augment.crop_padding", options_.augment.crop_padding, 0, most);
  check_range("augment.cutout", options_.augment.cutout, 0, most);
  const std::int64_t side = std::max(dataset_.height(), dataset_.width());
  if (options_.pad_to != 0) check_range("pad_to", options_.pad_to, side, most);
  const std::int64_t n = dataset_.size();
  if (options_.last_batch == LastBatch::Drop && n > 0 && n < options_.batch) {
    fail("batch " + std::to_string(options_.batch) + " is larger than the " +
         std::to_string(n) + " samples of '" + dataset_.name() +
         "', and dropping the last batch leaves none; use a smaller batch or "
         "LastBatch::Keep");
  }
}

EpochPlan BatchMaker::plan(std::uint64_t key, std::int64_t epoch) const {
  Generator rng(key, static_cast<std::uint64_t>(epoch));
  EpochPlan plan;
  plan.sample_key = rng.next();
  if (options_.shuffle) {
    plan.order = rng.permutation(dataset_.size());
  } else {
    plan.order.resize(static_cast<std::size_t>(dataset_.size()));
    std::iota(plan.order.begin(), plan.order.end(), std::int64_t{0});
  }
  return plan;
}

Batch BatchMaker::empty(std::int64_t count) const {
  TensorOptions pixels;
  pixels.layout = Layout::ChannelsLast;
  TensorOptions integers;
  integers.dtype = DType::I64;
  return {Tensor::empty({count, dataset_.channels(), height_, width_}, pixels),
          Tensor::empty({count}, integers)};
}

Batch BatchMaker::make(const EpochPlan& plan, std::int64_t step) const {
  const std::int64_t begin = step * options_.batch;
  const std::int64_t count = std::min(options_.batch, dataset_.size() - begin);
  const Batch batch = empty(count);
  float* out = batch.images.mutable_data<float>();
  std::int64_t* label = batch.labels.mutable_data<std::int64_t>();

  const std::int64_t channels = dataset_.channels();
  const std::int64_t elements = channels * height_ * width_;
  std::vector<std::uint8_t> scratch(place_ ? static_cast<std::size_t>(elements)
                                           : 0);
  const ImageView view{scratch.data(), height_, width_, channels};
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t index = plan.order[static_cast<std::size_t>(begin + i)];
    const std::uint8_t* pixels = dataset_.pixels(index);
    if (place_) {
      Generator rng(plan.sample_key, static_cast<std::uint64_t>(index));
      const Placement placement =
          draw_placement(options_.augment, height_, width_, rng);
      place_image(pixels, dataset_.height(), dataset_.width(),
                  (height_ - dataset_.height()) / 2,
                  (width_ - dataset_.width()) / 2, placement, fill_.data(),
                  view);
      if (options_.augment.custom) options_.augment.custom(view, rng);
      pixels = scratch.data();
    }
    normalise(pixels, out + i * elements);
    label[i] = dataset_.label(index);
  }
  return batch;
}

// out = table[channel][pixel]; pixels and out: (height, width, channels).
void BatchMaker::normalise(const std::uint8_t* pixels, float* out) const {
  const std::int64_t channels = dataset_.channels();
  const std::int64_t area = height_ * width_;
  const float* table = table_.data();
  if (channels == 1) {
    for (std::int64_t p = 0; p < area; ++p) out[p] = table[pixels[p]];
    return;
  }
  for (std::int64_t p = 0; p < area; ++p) {
    for (std::int64_t c = 0; c < channels; ++c) {
      *out++ = table[256 * c + *pixels++];
    }
  }
}

}  // namespace mjolnir::data::detail
