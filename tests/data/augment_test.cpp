#include <gtest/gtest.h>
#include <mjolnir/data/augment.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace mjolnir::data {
namespace {

// An image as a function of logical coordinates; black outside.
struct Image {
  std::int64_t height, width, channels;
  std::vector<std::uint8_t> pixels;  // (H,W,C)

  int at(std::int64_t y, std::int64_t x, std::int64_t c) const {
    if (y < 0 || y >= height || x < 0 || x >= width) return 0;
    return pixels[static_cast<std::size_t>((y * width + x) * channels + c)];
  }
};

Image picture(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Image image{height, width, channels, {}};
  for (std::int64_t i = 0; i < height * width * channels; ++i) {
    image.pixels.push_back(static_cast<std::uint8_t>(1 + (i * 37) % 255));
  }
  return image;
}

Image placed(const Image& in, std::int64_t height, std::int64_t width,
             std::int64_t top, std::int64_t left, const Placement& placement) {
  Image out{height, width, in.channels, {}};
  out.pixels.assign(static_cast<std::size_t>(height * width * in.channels), 99);
  const std::vector<std::uint8_t> fill = {7, 8, 9};
  place_image(in.pixels.data(), in.height, in.width, top, left, placement,
              fill.data(), {out.pixels.data(), height, width, in.channels});
  return out;
}

// Every offset of a crop after padding by 4, by the definition: pad with
// zeros to (H+8, W+8), then take the H x W window at (row, column).
TEST(PadCrop, All81OffsetsMatchTheDefinition) {
  constexpr std::int64_t pad = 4;
  for (const std::int64_t channels : {1, 3}) {
    const Image in = picture(9, 7, channels);
    for (std::int64_t row = 0; row <= 2 * pad; ++row) {
      for (std::int64_t column = 0; column <= 2 * pad; ++column) {
        for (const bool flip : {false, true}) {
          Placement p;
          p.shift_y = row - pad;
          p.shift_x = column - pad;
          p.flip = flip;
          const Image out = placed(in, 9, 7, 0, 0, p);
          for (std::int64_t y = 0; y < 9; ++y) {
            for (std::int64_t x = 0; x < 7; ++x) {
              const std::int64_t from_x = flip ? 6 - x : x;
              for (std::int64_t c = 0; c < channels; ++c) {
                ASSERT_EQ(out.at(y, x, c),
                          in.at(y + row - pad, from_x + column - pad, c))
                    << row << " " << column << " " << flip << " at " << y << ","
                    << x << "," << c;
              }
            }
          }
        }
      }
    }
  }
}

TEST(PadCrop, AShiftBeyondTheImageIsBlack) {
  Placement p;
  p.shift_x = 7;
  p.shift_y = 0;
  for (const std::uint8_t v : placed(picture(9, 7, 3), 9, 7, 0, 0, p).pixels) {
    EXPECT_EQ(v, 0);
  }
  p.shift_x = -50;
  p.shift_y = 50;
  for (const std::uint8_t v : placed(picture(9, 7, 3), 9, 7, 0, 0, p).pixels) {
    EXPECT_EQ(v, 0);
  }
}

TEST(Frame, SetsASmallerImageInBlack) {
  const Image in = picture(4, 3, 2);
  const Image out = placed(in, 9, 8, 2, 1, {});
  for (std::int64_t y = 0; y < 9; ++y) {
    for (std::int64_t x = 0; x < 8; ++x) {
      for (std::int64_t c = 0; c < 2; ++c) {
        ASSERT_EQ(out.at(y, x, c), in.at(y - 2, x - 1, c)) << y << "," << x;
      }
    }
  }
}

TEST(Frame, IsShiftedAndFlippedWithItsImage) {
  const Image in = picture(4, 3, 1);
  Placement p;
  p.shift_y = 3;
  p.shift_x = -2;
  p.flip = true;
  const Image out = placed(in, 9, 8, 2, 1, p);
  for (std::int64_t y = 0; y < 9; ++y) {
    for (std::int64_t x = 0; x < 8; ++x) {
      ASSERT_EQ(out.at(y, x, 0), in.at(y + 3 - 2, (7 - x) - 2 - 1, 0))
          << y << "," << x;
    }
  }
}

TEST(Cutout, CoversTheSquareAndNothingElse) {
  const Image in = picture(9, 7, 3);
  for (const std::int64_t side : {1, 4, 5}) {
    for (std::int64_t cy = 0; cy < 9; ++cy) {
      for (std::int64_t cx = 0; cx < 7; ++cx) {
        Placement p;
        p.cutout = side;
        p.cutout_y = cy;
        p.cutout_x = cx;
        const Image out = placed(in, 9, 7, 0, 0, p);
        for (std::int64_t y = 0; y < 9; ++y) {
          for (std::int64_t x = 0; x < 7; ++x) {
            const bool inside = y >= cy - side / 2 &&
                                y < cy - side / 2 + side &&
                                x >= cx - side / 2 && x < cx - side / 2 + side;
            for (std::int64_t c = 0; c < 3; ++c) {
              ASSERT_EQ(out.at(y, x, c), inside ? 7 + c : in.at(y, x, c))
                  << side << " at " << cy << "," << cx;
            }
          }
        }
      }
    }
  }
}

TEST(DrawPlacement, WithoutOptionsMovesNothing) {
  Generator rng(1);
  const Placement p = draw_placement({}, 9, 7, rng);
  EXPECT_EQ(p.shift_y, 0);
  EXPECT_EQ(p.shift_x, 0);
  EXPECT_FALSE(p.flip);
  EXPECT_EQ(p.cutout, 0);
}

// 81,000 draws of 81 offsets: each comes 1000 times, +- 6 standard deviations
// of sqrt(1000).
TEST(DrawPlacement, DrawsEveryOffsetAndFlipEquallyOften) {
  AugmentOptions options;
  options.crop_padding = 4;
  options.flip = true;
  options.cutout = 3;
  Generator rng(3);
  std::map<std::pair<std::int64_t, std::int64_t>, int> offsets;
  std::set<std::pair<std::int64_t, std::int64_t>> centres;
  int flips = 0;
  for (int i = 0; i < 81000; ++i) {
    const Placement p = draw_placement(options, 9, 7, rng);
    ++offsets[{p.shift_y, p.shift_x}];
    centres.insert({p.cutout_y, p.cutout_x});
    flips += p.flip ? 1 : 0;
    EXPECT_EQ(p.cutout, 3);
  }
  ASSERT_EQ(offsets.size(), 81u);
  EXPECT_EQ(offsets.begin()->first,
            (std::pair<std::int64_t, std::int64_t>(-4, -4)));
  EXPECT_EQ(offsets.rbegin()->first,
            (std::pair<std::int64_t, std::int64_t>(4, 4)));
  for (const auto& [offset, count] : offsets) {
    EXPECT_NEAR(count, 1000, 190) << offset.first << "," << offset.second;
  }
  EXPECT_NEAR(flips, 40500, 854);  // 6 x sqrt(81000) / 2
  EXPECT_EQ(centres.size(), 63u);  // every pixel of 9 x 7, nothing outside
  EXPECT_EQ(*centres.begin(), (std::pair<std::int64_t, std::int64_t>(0, 0)));
  EXPECT_EQ(*centres.rbegin(), (std::pair<std::int64_t, std::int64_t>(8, 6)));
}

}  // namespace
}  // namespace mjolnir::data
