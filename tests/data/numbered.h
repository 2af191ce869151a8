#pragma once

#include <mjolnir/data/loader.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace mjolnir::data {

inline constexpr std::int64_t height = 5;
inline constexpr std::int64_t width = 4;
inline constexpr std::int64_t channels = 3;

// Byte of sample i at (c, y, x); the label says which sample it is.
inline int pixel(std::int64_t i, std::int64_t c, std::int64_t y,
                 std::int64_t x) {
  return static_cast<int>((31 * i + 83 * c + 17 * y + 5 * x + 1) % 256);
}

inline Dataset numbered(std::int64_t n) {
  std::vector<std::uint8_t> values;
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < n; ++i) {
    labels.push_back(i);
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t y = 0; y < height; ++y) {
        for (std::int64_t x = 0; x < width; ++x) {
          values.push_back(static_cast<std::uint8_t>(pixel(i, c, y, x)));
        }
      }
    }
  }
  DatasetParts p;
  p.name = "numbered";
  p.images = Tensor::from(values, {n, channels, height, width});
  p.labels = Tensor::from(labels, {n});
  p.class_names.assign(static_cast<std::size_t>(std::max<std::int64_t>(n, 1)),
                       "sample");
  p.mean = {0.5, 0.25, 0.75};
  p.stddev = {0.25, 0.5, 0};
  return Dataset(p);
}

inline float normalised(int value, std::int64_t c) {
  const double mean[] = {0.5, 0.25, 0.75};
  const double stddev[] = {0.25, 0.5, 1};  // a deviation of 0 only centres
  return static_cast<float>((value / 255.0 - mean[c]) / stddev[c]);
}

struct Copy {
  std::vector<float> images;
  std::vector<std::int64_t> labels;
  bool operator==(const Copy& o) const {
    return images == o.images && labels == o.labels;
  }
};

inline std::vector<Copy> epoch_of(Loader& loader) {
  std::vector<Copy> out;
  for (auto [images, labels] : loader) {
    out.push_back(
        {images.to_vector<float>(), labels.to_vector<std::int64_t>()});
  }
  return out;
}

inline std::vector<std::int64_t> labels_of(const std::vector<Copy>& batches) {
  std::vector<std::int64_t> out;
  for (const Copy& b : batches) {
    out.insert(out.end(), b.labels.begin(), b.labels.end());
  }
  return out;
}

inline LoaderOptions batch_of(std::int64_t batch) {
  LoaderOptions options;
  options.batch = batch;
  return options;
}

inline LoaderOptions everything(int workers) {
  LoaderOptions options = batch_of(8);
  options.shuffle = true;
  options.workers = workers;
  options.prefetch = 3;
  options.pad_to = 9;
  options.augment.crop_padding = 2;
  options.augment.flip = true;
  options.augment.cutout = 3;
  options.augment.custom = [](const ImageView& image, Generator& rng) {
    image.pixels[0] = static_cast<std::uint8_t>(rng.below(256));
  };
  return options;
}

}  // namespace mjolnir::data
