#include <mjolnir/data/augment.h>

#include <algorithm>

namespace mjolnir::data {
namespace {

std::int64_t draw(std::int64_t bound, Generator& rng) {
  return static_cast<std::int64_t>(
      rng.below(static_cast<std::uint64_t>(bound)));
}

void mirror_row(std::uint8_t* row, std::int64_t width, std::int64_t channels) {
  for (std::int64_t x = 0; x < width / 2; ++x) {
    std::swap_ranges(row + x * channels, row + (x + 1) * channels,
                     row + (width - 1 - x) * channels);
  }
}

void paint_cutout(const Placement& placement, const std::uint8_t* fill,
                  const ImageView& out) {
  const std::int64_t side = placement.cutout;
  const std::int64_t top = placement.cutout_y - side / 2;
  const std::int64_t left = placement.cutout_x - side / 2;
  const std::int64_t y_end = std::min(top + side, out.height);
  const std::int64_t x_end = std::min(left + side, out.width);
  for (std::int64_t y = std::max<std::int64_t>(top, 0); y < y_end; ++y) {
    for (std::int64_t x = std::max<std::int64_t>(left, 0); x < x_end; ++x) {
      std::copy(fill, fill + out.channels,
                out.pixels + (y * out.width + x) * out.channels);
    }
  }
}

}  // namespace

Placement draw_placement(const AugmentOptions& options, std::int64_t height,
                         std::int64_t width, Generator& rng) {
  Placement p;
  if (options.crop_padding > 0) {
    p.shift_y = draw(2 * options.crop_padding + 1, rng) - options.crop_padding;
    p.shift_x = draw(2 * options.crop_padding + 1, rng) - options.crop_padding;
  }
  if (options.flip) p.flip = draw(2, rng) == 1;
  if (options.cutout > 0) {
    p.cutout = options.cutout;
    p.cutout_y = draw(height, rng);
    p.cutout_x = draw(width, rng);
  }
  return p;
}

void place_image(const std::uint8_t* in, std::int64_t height,
                 std::int64_t width, std::int64_t top, std::int64_t left,
                 const Placement& placement, const std::uint8_t* fill,
                 const ImageView& out) {
  const std::int64_t channels = out.channels;
  // Output columns [begin, end) see the image, the others are black.
  const std::int64_t origin = left - placement.shift_x;
  const std::int64_t begin = std::clamp<std::int64_t>(origin, 0, out.width);
  const std::int64_t end =
      std::clamp<std::int64_t>(origin + width, begin, out.width);
  for (std::int64_t y = 0; y < out.height; ++y) {
    std::uint8_t* row = out.pixels + y * out.width * channels;
    const std::int64_t from = y + placement.shift_y - top;
    if (from < 0 || from >= height) {
      std::fill(row, row + out.width * channels, std::uint8_t{0});
      continue;
    }
    std::fill(row, row + begin * channels, std::uint8_t{0});
    std::copy_n(in + (from * width + begin - origin) * channels,
                (end - begin) * channels, row + begin * channels);
    std::fill(row + end * channels, row + out.width * channels,
              std::uint8_t{0});
    if (placement.flip) mirror_row(row, out.width, channels);
  }
  if (placement.cutout > 0) paint_cutout(placement, fill, out);
}

}  // namespace mjolnir::data
