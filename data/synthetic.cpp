#include <mjolnir/data/synthetic.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <mjolnir/core/random.h>

namespace mjolnir::data {
namespace {

void check(const SyntheticOptions& o) {
  const auto at_least = [](const char* name, std::int64_t value,
                           std::int64_t low) {
    if (value < low) {
      throw ValueError("[synthetic] expected " + std::string(name) +
                       " of at least " + std::to_string(low) + ", got " +
                       std::to_string(value));
    }
  };
  at_least("samples", o.samples, 0);
  at_least("channels", o.channels, 1);
  at_least("height", o.height, 1);
  at_least("width", o.width, 1);
  at_least("classes", o.classes, 1);
  at_least("shift", o.shift, 0);
  if (!std::isfinite(o.noise) || o.noise < 0) {
    throw ValueError("[synthetic] expected a finite noise of at least 0, got " +
                     std::to_string(o.noise));
  }
}

// A pattern (H,W,C): numbers of +-64 around 128 on a coarse grid, each drawn
// in [-1,1), with straight lines between them; cyclic, so that it can shift.
std::vector<double> pattern(const SyntheticOptions& o, Generator& rng) {
  constexpr std::int64_t grid = 4;
  const auto channels = static_cast<std::size_t>(o.channels);
  std::vector<double> coarse(grid * grid * channels);
  for (double& v : coarse) v = 2 * rng.uniform() - 1;
  const auto at = [&](std::int64_t gy, std::int64_t gx, std::size_t c) {
    return coarse[static_cast<std::size_t>((gy % grid) * grid + gx % grid) *
                      channels +
                  c];
  };
  std::vector<double> out;
  for (std::int64_t y = 0; y < o.height; ++y) {
    const double v = static_cast<double>(y * grid) / o.height;
    const auto gy = static_cast<std::int64_t>(v);
    const double fy = v - static_cast<double>(gy);
    for (std::int64_t x = 0; x < o.width; ++x) {
      const double u = static_cast<double>(x * grid) / o.width;
      const auto gx = static_cast<std::int64_t>(u);
      const double fx = u - static_cast<double>(gx);
      for (std::size_t c = 0; c < channels; ++c) {
        out.push_back(128 + 64 * ((1 - fy) * ((1 - fx) * at(gy, gx, c) +
                                              fx * at(gy, gx + 1, c)) +
                                  fy * ((1 - fx) * at(gy + 1, gx, c) +
                                        fx * at(gy + 1, gx + 1, c))));
      }
    }
  }
  return out;
}

std::int64_t wrapped(std::int64_t i, std::int64_t length) {
  return ((i % length) + length) % length;
}

}  // namespace

Dataset synthetic(const SyntheticOptions& o) {
  check(o);
  DatasetParts parts;
  parts.name = "synthetic";
  TensorOptions pixels;
  pixels.dtype = DType::U8;
  pixels.layout = Layout::ChannelsLast;
  parts.images =
      Tensor::empty({o.samples, o.channels, o.height, o.width}, pixels);
  std::vector<std::vector<double>> patterns;
  for (std::int64_t k = 0; k < o.classes; ++k) {
    Generator rng(o.seed, static_cast<std::uint64_t>(k));
    patterns.push_back(pattern(o, rng));
    parts.class_names.push_back("class " + std::to_string(k));
  }
  std::uint8_t* image = parts.images.mutable_data<std::uint8_t>();
  std::vector<std::int64_t> labels;
  // Streams beyond those of the patterns.
  Generator rng =
      Generator(o.seed ^ (o.part + 1) * 0x9e3779b97f4a7c15, ~std::uint64_t{0});
  const auto offset = [&] {
    return static_cast<std::int64_t>(
               rng.below(static_cast<std::uint64_t>(2 * o.shift + 1))) -
           o.shift;
  };
  for (std::int64_t i = 0; i < o.samples; ++i) {
    labels.push_back(i % o.classes);
    const std::vector<double>& from =
        patterns[static_cast<std::size_t>(labels.back())];
    const std::int64_t dy = offset();
    const std::int64_t dx = offset();
    for (std::int64_t y = 0; y < o.height; ++y) {
      for (std::int64_t x = 0; x < o.width; ++x) {
        const std::int64_t p =
            wrapped(y + dy, o.height) * o.width + wrapped(x + dx, o.width);
        for (std::int64_t c = 0; c < o.channels; ++c) {
          const double value =
              from[static_cast<std::size_t>(p * o.channels + c)] +
              o.noise * rng.normal();
          *image++ =
              static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0) + 0.5);
        }
      }
    }
  }
  parts.labels = Tensor::from(labels, {o.samples});
  return Dataset(parts);
}

}  // namespace mjolnir::data
