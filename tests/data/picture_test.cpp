#include <mjolnir/data/picture.h>

#include <cstdint>
#include <cstdlib>

#include <mjolnir/io/npy.h>

#include "tests/support/files.h"

namespace mjolnir::data {
namespace {

using mjolnir::testing::expect_error;

Tensor picture(const std::vector<std::uint8_t>& pixels, const Shape& shape) {
  return Tensor::from(pixels, shape);
}

std::vector<std::uint8_t> fitted(const Tensor& image, const PictureSize& size) {
  const Tensor out = fit_picture(image, size);
  EXPECT_EQ(out.shape(), (Shape{size.channels, size.height, size.width}));
  return out.to_vector<std::uint8_t>();
}

// The picture of golden/make_picture.py.
Tensor colours() {
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < 17; ++y) {
    for (int x = 0; x < 26; ++x) {
      for (int c = 0; c < 3; ++c) {
        pixels.push_back(static_cast<std::uint8_t>(
            (13 * y + 29 * x + 53 * c + x * y) % 256));
      }
    }
  }
  return picture(pixels, {17, 26, 3});
}

// Pillow resizes in whole numbers, one axis after the other: it rounds twice,
// and once more where it made the picture grey before.
TEST(Picture, IsCroppedAndResizedAsPillowDoes) {
  const auto expect_like = [](const std::string& name,
                              const PictureSize& size) {
    SCOPED_TRACE(name);
    const Tensor expected = io::read_npy(
        MJOLNIR_SOURCE_DIR "/tests/data/golden/picture_" + name + ".npy");
    const auto seen = fitted(colours(), size);
    ASSERT_EQ(expected.shape(),
              (Shape{size.channels, size.height, size.width}));
    const auto wanted = expected.to_vector<std::uint8_t>();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_LE(std::abs(seen[i] - wanted[i]), 1) << i;
    }
  };
  expect_like("smaller", {3, 7, 5});
  expect_like("larger", {3, 40, 31});
  expect_like("flat", {3, 4, 20});
  expect_like("grey", {1, 8, 8});
}

TEST(Picture, OfTheRightSizeKeepsEveryPixel) {
  const Tensor image = colours();
  const auto seen = fitted(image, {3, 17, 26});
  const auto pixels = image.to_vector<std::uint8_t>();
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < 17 * 26; ++i) {
      ASSERT_EQ(seen[c * 17 * 26 + i], pixels[3 * i + c]);
    }
  }
}

// 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 = 29.1
TEST(Picture, ColoursBecomeGreyByTheirLuma) {
  const Tensor image =
      picture({255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}, {1, 4, 3});
  EXPECT_EQ(fitted(image, {1, 1, 4}),
            (std::vector<std::uint8_t>{76, 150, 29, 255}));
}

TEST(Picture, GreyBecomesThreeEqualChannels) {
  EXPECT_EQ(fitted(picture({1, 2, 3, 4}, {2, 2, 1}), {3, 2, 2}),
            (std::vector<std::uint8_t>{1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}));
}

// alpha 51 is a fifth: 0.2 * 100 + 0.8 * 255 = 224
TEST(Picture, TransparencyShowsWhite) {
  EXPECT_EQ(fitted(picture({100, 0, 100, 51, 100, 255}, {1, 3, 2}), {1, 1, 3}),
            (std::vector<std::uint8_t>{255, 224, 100}));
  EXPECT_EQ(fitted(picture({100, 0, 50, 51}, {1, 1, 4}), {3, 1, 1}),
            (std::vector<std::uint8_t>{224, 204, 214}));
}

// The centre of a picture that is too wide, and of one that is too high.
TEST(Picture, TheCentreIsCutOut) {
  EXPECT_EQ(fitted(picture({9, 1, 2, 9}, {1, 4, 1}), {1, 1, 2}),
            (std::vector<std::uint8_t>{1, 2}));
  EXPECT_EQ(fitted(picture({9, 9, 1, 2, 9, 9}, {3, 2, 1}), {1, 1, 2}),
            (std::vector<std::uint8_t>{1, 2}));
}

TEST(Picture, AnExtremeOneStillHasASize) {
  std::vector<std::uint8_t> pixels(5000, 77);
  EXPECT_EQ(fitted(picture(pixels, {1, 5000, 1}), {1, 2, 2}),
            (std::vector<std::uint8_t>(4, 77)));
  EXPECT_EQ(fitted(picture({77}, {1, 1, 1}), {1, 28, 28}),
            (std::vector<std::uint8_t>(28 * 28, 77)));
}

TEST(Picture, OtherTensorsAndSizesAreRefused) {
  const PictureSize size;
  expect_error<ValueError>([&] { fit_picture(Tensor(), size); }, {"u8"});
  expect_error<ValueError>(
      [&] {
        fit_picture(Tensor::zeros({2, 2, 1}), size);
      },
      {"u8"});
  const Tensor image = picture({1, 2, 3, 4}, {2, 2, 1});
  expect_error<ShapeError>(
      [&] {
        fit_picture(picture({1, 2, 3, 4}, {4}), size);
      },
      {"(4)"});
  expect_error<ShapeError>(
      [&] {
        fit_picture(picture({1, 2, 3, 4, 5}, {1, 1, 5}), size);
      },
      {"1 to 4 channels"});
  expect_error<ShapeError>(
      [&] {
        fit_picture(picture({}, {0, 2, 1}), size);
      },
      {"(0,2,1)"});
  for (const PictureSize& wrong :
       {PictureSize{2, 4, 4}, PictureSize{3, 0, 4}, PictureSize{3, 4, 0}}) {
    expect_error<ValueError>([&] { fit_picture(image, wrong); },
                             {"1 or 3 channels"});
  }
}

}  // namespace
}  // namespace mjolnir::data
