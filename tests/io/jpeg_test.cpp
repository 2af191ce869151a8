#include <mjolnir/io/jpeg.h>

#include <cstdint>
#include <cstdlib>

#include <mjolnir/io/image.h>

#include "tests/support/files.h"

namespace mjolnir::io {
namespace {

using mjolnir::testing::bytes_of;
using mjolnir::testing::expect_error;
using mjolnir::testing::plant;
using mjolnir::testing::TempDirectory;

const std::string golden = MJOLNIR_SOURCE_DIR "/tests/io/golden/";

Bytes file(const std::string& name) {
  return read_file(golden + name + ".jpg");
}

// The images of golden/make_jpeg.py, to the few levels that JPEG loses there.
void expect_colours(const Tensor& image) {
  ASSERT_EQ(image.shape(), (Shape{23, 37, 3}));
  ASSERT_EQ(image.dtype(), DType::U8);
  const std::uint8_t* pixel = image.data<std::uint8_t>();
  for (int y = 0; y < 23; ++y) {
    for (int x = 0; x < 37; ++x, pixel += 3) {
      ASSERT_LE(std::abs(pixel[0] - (40 + 5 * y)), 4) << y << ' ' << x;
      ASSERT_LE(std::abs(pixel[1] - (200 - 4 * x)), 4) << y << ' ' << x;
      ASSERT_LE(std::abs(pixel[2] - (90 + 2 * x + y)), 4) << y << ' ' << x;
    }
  }
}

TEST(Jpeg, ReadsColourGreyAndProgressive) {
  expect_colours(decode_jpeg(file("rgb"), "x"));
  expect_colours(decode_jpeg(file("progressive"), "x"));
  const Tensor grey = decode_jpeg(file("grey"), "x");
  ASSERT_EQ(grey.shape(), (Shape{23, 37, 1}));
  const std::uint8_t* pixel = grey.data<std::uint8_t>();
  for (int y = 0; y < 23; ++y) {
    for (int x = 0; x < 37; ++x, ++pixel) {
      ASSERT_LE(std::abs(*pixel - (30 + 3 * x + 4 * y)), 4) << y << ' ' << x;
    }
  }
}

void expect_refused(const Bytes& bytes, const std::string& word,
                    std::size_t limit = std::size_t{1} << 28) {
  expect_error<IoError>([&] { decode_jpeg(bytes, "some.jpg", limit); },
                        {"[jpeg] 'some.jpg'", word});
}

TEST(Jpeg, RefusesWhatItDoesNotRead) {
  expect_refused({}, "not a JPEG file");
  expect_refused(bytes_of("\x89PNG\r\n"), "not a JPEG file");
  expect_refused(file("cmyk"), "CMYK");
  expect_refused(file("rgb"), "2553 bytes, more than 2552", 2552);
  EXPECT_EQ(decode_jpeg(file("rgb"), "x", 2553).numel(), 2553);
}

TEST(Jpeg, RefusesEveryTruncation) {
  const Bytes whole = file("rgb");
  for (std::size_t size = 0; size < whole.size() - 2; ++size) {
    expect_refused(
        Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)),
        "");
  }
}

TEST(Jpeg, EveryFlippedBitIsSurvived) {
  const Bytes whole = file("progressive");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    Bytes bytes = whole;
    bytes[at] ^= static_cast<std::uint8_t>(1 << (at % 8));
    try {
      decode_jpeg(bytes, "x", 1 << 20);
    } catch (const IoError&) {
    }
  }
}

// A scan of some ten bytes, repeated: each costs a pass over the image.
TEST(Jpeg, RefusesManyScans) {
  const Bytes whole = file("progressive");
  std::size_t scan = 0;
  std::size_t next = 0;
  for (std::size_t i = 0; i + 1 < whole.size(); ++i) {
    if (whole[i] == 0xff && whole[i + 1] == 0xda) {
      if (scan == 0) {
        scan = i;
      } else if (next == 0) {
        next = i;
      }
    }
  }
  ASSERT_GT(next, scan);
  const auto at = [&whole](std::size_t i) {
    return whole.begin() + static_cast<std::ptrdiff_t>(i);
  };
  Bytes bytes(whole.begin(), at(next));
  for (int i = 0; i < 600; ++i) bytes.insert(bytes.end(), at(scan), at(next));
  bytes.insert(bytes.end(), at(next), whole.end());
  expect_refused(bytes, "more than 500 scans");
}

TEST(Image, ThePictureSaysItselfWhatItIs) {
  const TempDirectory folder;
  plant(folder / "a.png", file("rgb"));
  expect_colours(read_image(folder / "a.png"));
  plant(folder / "a.jpg", read_file(golden + "rgb.png"));
  EXPECT_EQ(read_image(folder / "a.jpg").shape(), (Shape{7, 5, 3}));
}

TEST(Image, OtherFilesAreRefused) {
  const TempDirectory folder;
  plant(folder / "a.png", bytes_of("GIF89a"));
  expect_error<IoError>([&] { read_image(folder / "a.png"); },
                        {folder / "a.png", "neither a PNG nor a JPEG"});
  expect_error<IoError>([&] { read_image(folder / "none.png"); },
                        {folder / "none.png", "No such file"});
}

}  // namespace
}  // namespace mjolnir::io
