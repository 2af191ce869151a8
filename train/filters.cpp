#include "train/filters.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/shape.h>

namespace mjolnir::train {

namespace {

constexpr std::int64_t gap = 2;           // pixels between tiles
constexpr std::int64_t tile_length = 24;  // about
constexpr std::int64_t most_tiles = 256;

std::uint8_t shade(double value, double largest) {
  const double scaled = largest > 0.0 ? value / largest : value;
  const double level = std::min(127.5 + 127.5 * scaled, 255.0);
  return level > 0.0 ? static_cast<std::uint8_t>(std::lround(level)) : 0;
}

}  // namespace

std::optional<std::pair<std::string, Tensor>> first_filters(
    const Module& model, const Shape& sample) {
  for (const auto& [name, tensor] : model.named_parameters()) {
    if (tensor.rank() == 4) {
      return NamedTensor{name, tensor.detach()};
    }
    if (tensor.rank() == 2 && sample.rank() == 3 &&
        tensor.size(1) == sample.numel()) {
      return NamedTensor{
          name, reshape(tensor.detach(),
                        {tensor.size(0), sample[0], sample[1], sample[2]})};
    }
  }
  return std::nullopt;
}

Tensor filter_picture(const Tensor& filters) {
  if (filters.rank() != 4 || filters.numel() == 0) {
    throw ShapeError(
        "[filter_picture] expected filters (O,C,kh,kw), got shape " +
        filters.shape().str());
  }
  if (!is_floating(filters.dtype())) {
    throw ValueError("[filter_picture] expected f32 or f64, got " +
                     std::string(name_of(filters.dtype())));
  }
  const std::vector<double> w = filters.to(DType::F64).to_vector<double>();
  const std::int64_t channels = filters.size(1);
  const std::int64_t kh = filters.size(2), kw = filters.size(3);
  double largest = 0.0;
  for (const double value : w) {
    largest =
        std::isfinite(value) ? std::max(largest, std::abs(value)) : largest;
  }
  const bool colour = channels == 3;
  const bool grid = channels == 1 || colour;
  const std::int64_t count =
      std::min(filters.size(0),
               std::max<std::int64_t>(1, most_tiles / (grid ? 1 : channels)));
  const auto square = static_cast<std::int64_t>(
      std::ceil(std::sqrt(static_cast<double>(count))));
  const std::int64_t columns = grid ? square : channels;
  const std::int64_t rows = grid ? (count + columns - 1) / columns : count;
  const std::int64_t zoom =
      std::max<std::int64_t>(1, tile_length / std::max(kh, kw));
  const std::int64_t tile_h = kh * zoom, tile_w = kw * zoom;
  const std::int64_t planes = colour ? 3 : 1;
  const Tensor picture = Tensor::full(
      {rows * (tile_h + gap) - gap, columns * (tile_w + gap) - gap, planes},
      255, {DType::U8});
  auto* pixels = picture.mutable_data<std::uint8_t>();
  const std::int64_t width = picture.size(1);
  for (std::int64_t tile = 0; tile < (grid ? count : count * channels);
       ++tile) {
    const std::int64_t top = tile / columns * (tile_h + gap);
    const std::int64_t left = tile % columns * (tile_w + gap);
    for (std::int64_t y = 0; y < tile_h; ++y) {
      for (std::int64_t x = 0; x < tile_w; ++x) {
        for (std::int64_t plane = 0; plane < planes; ++plane) {
          const std::int64_t at =
              ((tile * planes + plane) * kh + y / zoom) * kw + x / zoom;
          pixels[((top + y) * width + left + x) * planes + plane] =
              shade(w[static_cast<std::size_t>(at)], largest);
        }
      }
    }
  }
  return picture;
}

}  // namespace mjolnir::train
