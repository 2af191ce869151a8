#include <mjolnir/io/png.h>

#include <cstdint>

#include "tests/support/files.h"

namespace mjolnir::io {
namespace {

using mjolnir::testing::bytes_of;
using mjolnir::testing::expect_error;

const std::string golden = MJOLNIR_SOURCE_DIR "/tests/io/golden/";

Tensor read(const std::string& name) {
  return decode_png(read_file(golden + name + ".png"), name);
}

// What golden/make_png.py puts at the i-th sample.
int sample(std::int64_t i, int depth) {
  return static_cast<int>((37 * i + 11) % (std::int64_t{1} << depth));
}

void expect_golden(const std::string& name, const Shape& shape) {
  SCOPED_TRACE(name);
  const Tensor x = read(name);
  ASSERT_EQ(x.shape(), shape);
  ASSERT_EQ(x.dtype(), DType::U8);
  const std::vector<std::uint8_t> seen = x.to_vector<std::uint8_t>();
  for (std::size_t i = 0; i < seen.size(); ++i) {
    ASSERT_EQ(seen[i], sample(static_cast<std::int64_t>(i), 8)) << i;
  }
}

TEST(Png, ReadsGreyAndColourWithAndWithoutAlpha) {
  expect_golden("grey", {7, 5, 1});
  expect_golden("grey_alpha", {6, 4, 2});
  expect_golden("rgb", {7, 5, 3});
  expect_golden("rgba", {6, 3, 4});
}

TEST(Png, ReadsInterlacedImages) { expect_golden("rgb_interlaced", {7, 9, 3}); }

TEST(Png, ScalesOtherDepthsToBytes) {
  const auto bits = read("grey1").to_vector<std::uint8_t>();
  ASSERT_EQ(bits.size(), 33u);
  for (std::size_t i = 0; i < bits.size(); ++i) {
    EXPECT_EQ(bits[i], 255 * sample(static_cast<std::int64_t>(i), 1)) << i;
  }
  const auto words = read("grey16").to_vector<std::uint8_t>();
  ASSERT_EQ(words.size(), 30u);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const double exact = sample(static_cast<std::int64_t>(i), 16) / 257.0;
    EXPECT_NEAR(words[i], exact, 0.51) << i;  // rounded
  }
}

TEST(Png, ResolvesPalettes) {
  const Tensor x = read("palette");
  ASSERT_EQ(x.shape(), (Shape{5, 7, 3}));
  const Tensor y = read("palette_alpha");
  ASSERT_EQ(y.shape(), (Shape{5, 7, 4}));
  const auto rgb = x.to_vector<std::uint8_t>();
  const auto rgba = y.to_vector<std::uint8_t>();
  for (std::size_t i = 0; i < 35; ++i) {
    const int entry = sample(static_cast<std::int64_t>(i), 4);
    const int colour[] = {16 * entry, 255 - entry, entry};
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_EQ(rgb[3 * i + c], colour[c]) << i;
      EXPECT_EQ(rgba[4 * i + c], colour[c]) << i;
    }
    EXPECT_EQ(rgba[4 * i + 3], entry == 3 ? 128 : 255) << i;
  }
}

// Width, height, bits per sample and colour type stand at bytes 16 to 25.
TEST(Png, WritesWhatItIsGiven) {
  const std::uint8_t colour_types[] = {0, 4, 2, 6};
  for (std::int64_t channels = 1; channels <= 4; ++channels) {
    const Shape shape = {3, 5, channels};
    std::vector<std::uint8_t> pixels;
    for (std::int64_t i = 0; i < shape.numel(); ++i) {
      pixels.push_back(static_cast<std::uint8_t>(sample(i, 8)));
    }
    const Bytes file = encode_png(Tensor::from(pixels, shape));
    ASSERT_TRUE(is_png(file));
    const Bytes head(file.begin() + 8, file.begin() + 26);
    EXPECT_EQ(head, (Bytes{0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 0, 5, 0, 0, 0,
                           3, 8, colour_types[channels - 1]}));
    const Tensor back = decode_png(file, "x");
    EXPECT_EQ(back.shape(), shape);
    EXPECT_EQ(back.to_vector<std::uint8_t>(), pixels);
  }
}

TEST(Png, TheWriterRefusesOtherTensors) {
  expect_error<ValueError>([] { encode_png(Tensor()); },
                           {"[encode_png]", "u8"});
  expect_error<ValueError>(
      [] {
        encode_png(Tensor::zeros({2, 2, 1}));
      },
      {"u8", "f32"});
  TensorOptions u8;
  u8.dtype = DType::U8;
  const auto refused = [&u8](const Shape& shape, const std::string& text) {
    expect_error<ShapeError>([&] { encode_png(Tensor::zeros(shape, u8)); },
                             {text});
  };
  refused({2, 2}, "(2,2)");
  refused({2, 2, 5}, "1 to 4 channels");
  refused({2, 2, 0}, "1 to 4 channels");
  refused({0, 2, 1}, "from 1 to 1000000");
  refused({1, 1000001, 1}, "from 1 to 1000000");
}

TEST(Png, RefusesWhatIsNotOne) {
  const auto refused = [](const Bytes& bytes, const std::string& word) {
    expect_error<IoError>([&] { decode_png(bytes, "some.png"); },
                          {"[png]", "some.png", word});
  };
  refused({}, "not a PNG file");
  refused(bytes_of("GIF89a"), "not a PNG file");
  const Bytes whole = read_file(golden + "rgb.png");
  Bytes wrong = whole;
  wrong[20] ^= 1;  // the width, under a checksum
  refused(wrong, "CRC");
  wrong = whole;
  wrong[whole.size() - 20] ^= 1;  // the compressed rows
  refused(wrong, "");
}

TEST(Png, RefusesEveryTruncationBeforeTheEndOfItsRows) {
  const Bytes whole = read_file(golden + "rgb.png");
  for (std::size_t size = 0; size < whole.size() - 16; ++size) {
    const Bytes part(whole.begin(),
                     whole.begin() + static_cast<std::ptrdiff_t>(size));
    expect_error<IoError>([&] { decode_png(part, "x"); }, {"[png] 'x'"});
  }
}

TEST(Png, AFewBytesMayNotUnpackToMany) {
  const Bytes bytes = read_file(golden + "bomb.png");
  ASSERT_LT(bytes.size(), 20000u);
  expect_error<IoError>([&] { decode_png(bytes, "bomb.png", 1000000); },
                        {"bomb.png", "10240000 bytes", "more than 1000000"});
  EXPECT_EQ(decode_png(bytes, "bomb.png").numel(), 10240000);
}

}  // namespace
}  // namespace mjolnir::io
