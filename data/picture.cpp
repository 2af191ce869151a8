#include <mjolnir/data/picture.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace mjolnir::data {
namespace {

// The pixels that one pixel of the result is made of, along one axis.
struct Taps {
  std::int64_t first = 0;
  std::vector<double> weights;  // sum 1
};

// `length` pixels resampled to `wanted`, from the centred `part` of them.
std::vector<Taps> taps_of(std::int64_t length, double part,
                          std::int64_t wanted) {
  const double scale = part / static_cast<double>(wanted);
  const double reach = std::max(scale, 1.0);
  const double start = (static_cast<double>(length) - part) / 2;
  std::vector<Taps> all;
  for (std::int64_t i = 0; i < wanted; ++i) {
    // Pixel j covers [j, j+1): its centre is half a pixel on.
    const double centre = start + (static_cast<double>(i) + 0.5) * scale - 0.5;
    const auto low = static_cast<std::int64_t>(std::ceil(centre - reach));
    const auto high = static_cast<std::int64_t>(std::floor(centre + reach));
    Taps taps;
    taps.first = std::max<std::int64_t>(low, 0);
    double sum = 0.0;
    for (std::int64_t j = taps.first; j <= std::min(high, length - 1); ++j) {
      const double w = std::max(
          0.0, 1.0 - std::abs(static_cast<double>(j) - centre) / reach);
      taps.weights.push_back(w);
      sum += w;
    }
    for (double& w : taps.weights) w /= sum;
    all.push_back(taps);
  }
  return all;
}

// Planes (channels,H,W) in [0,255]: blended with white, grey or RGB.
std::vector<float> planes_of(const Tensor& picture, std::int64_t channels) {
  const std::int64_t kinds = picture.size(2);
  const std::int64_t colours = kinds < 3 ? 1 : 3;
  const std::int64_t pixels = picture.size(0) * picture.size(1);
  const std::uint8_t* from = picture.data<std::uint8_t>();
  std::vector<float> planes(static_cast<std::size_t>(channels * pixels));
  for (std::int64_t i = 0; i < pixels; ++i, from += kinds) {
    const double alpha = kinds == colours ? 1.0 : from[kinds - 1] / 255.0;
    double rgb[3];
    for (std::int64_t c = 0; c < 3; ++c) {
      rgb[c] = alpha * from[colours == 1 ? 0 : c] + (1.0 - alpha) * 255.0;
    }
    const double grey = colours == 1
                            ? rgb[0]
                            : 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
    for (std::int64_t c = 0; c < channels; ++c) {
      planes[static_cast<std::size_t>(c * pixels + i)] =
          static_cast<float>(channels == 1 ? grey : rgb[c]);
    }
  }
  return planes;
}

void check(const Tensor& picture, const PictureSize& size) {
  if (!picture.defined() || picture.dtype() != DType::U8) {
    throw ValueError("[fit_picture] expected a u8 picture");
  }
  if (picture.rank() != 3 || picture.numel() == 0 || picture.size(2) > 4) {
    throw ShapeError(
        "[fit_picture] expected a picture (H,W,C) of 1 to 4 channels, got "
        "shape " +
        picture.shape().str());
  }
  if ((size.channels != 1 && size.channels != 3) || size.height < 1 ||
      size.width < 1) {
    throw ValueError(
        "[fit_picture] expected a size of 1 or 3 channels and at least one "
        "pixel, got " +
        Shape{size.channels, size.height, size.width}.str());
  }
}

}  // namespace

Tensor fit_picture(const Tensor& picture, const PictureSize& size) {
  check(picture, size);
  const std::int64_t height = picture.size(0);
  const std::int64_t width = picture.size(1);
  const std::vector<float> planes = planes_of(picture, size.channels);
  // The part of the right proportions, as large as fits.
  const double zoom =
      std::min(static_cast<double>(height) / static_cast<double>(size.height),
               static_cast<double>(width) / static_cast<double>(size.width));
  const std::vector<Taps> rows =
      taps_of(height, zoom * static_cast<double>(size.height), size.height);
  const std::vector<Taps> columns =
      taps_of(width, zoom * static_cast<double>(size.width), size.width);

  TensorOptions options;
  options.dtype = DType::U8;
  const Tensor out =
      Tensor::empty({size.channels, size.height, size.width}, options);
  std::uint8_t* to = out.mutable_data<std::uint8_t>();
  std::vector<double> line(static_cast<std::size_t>(width));
  for (std::int64_t c = 0; c < size.channels; ++c) {
    const float* plane = planes.data() + c * height * width;
    for (const Taps& row : rows) {
      std::fill(line.begin(), line.end(), 0.0);
      for (std::size_t k = 0; k < row.weights.size(); ++k) {
        const float* from =
            plane + (row.first + static_cast<std::int64_t>(k)) * width;
        for (std::int64_t x = 0; x < width; ++x) {
          line[static_cast<std::size_t>(x)] += row.weights[k] * from[x];
        }
      }
      for (const Taps& column : columns) {
        double sum = 0.0;
        for (std::size_t k = 0; k < column.weights.size(); ++k) {
          sum += column.weights[k] *
                 line[static_cast<std::size_t>(column.first) + k];
        }
        *to++ = static_cast<std::uint8_t>(
            std::clamp(std::floor(sum + 0.5), 0.0, 255.0));
      }
    }
  }
  return out;
}

}  // namespace mjolnir::data
