#include <mjolnir/io/png.h>

#include <png.h>

#include <algorithm>
#include <cstdint>

namespace mjolnir::io {
namespace {

constexpr std::uint8_t signature[] = {0x89, 'P',  'N',  'G',
                                      '\r', '\n', 0x1a, '\n'};
constexpr std::int64_t max_length = 1000000;  // libpng's own limit

// libpng's state for one image; its messages stay in it, nothing is printed.
struct Image {
  png_image png{};
  Image() { png.version = PNG_IMAGE_VERSION; }
  ~Image() { png_image_free(&png); }
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;
};

}  // namespace

bool is_png(const Bytes& bytes) noexcept {
  return bytes.size() >= sizeof signature &&
         std::equal(std::begin(signature), std::end(signature), bytes.begin());
}

Tensor decode_png(const Bytes& bytes, const std::string& name,
                  std::size_t limit) {
  const auto fail = [&name](const std::string& reason) {
    throw IoError("[png] '" + name + "' " + reason);
  };
  if (!is_png(bytes)) fail("is not a PNG file");
  Image image;
  png_image& png = image.png;
  if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0) {
    fail("cannot be read: " + std::string(png.message));
  }
  png.format &= PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA;
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // as 8-bit samples are
  const std::uint64_t channels = PNG_IMAGE_SAMPLE_CHANNELS(png.format);
  const std::uint64_t size = std::uint64_t{png.height} * png.width * channels;
  if (size > limit) {
    fail("would unpack to " + std::to_string(size) + " bytes, more than " +
         std::to_string(limit));
  }
  TensorOptions options;
  options.dtype = DType::U8;
  const Tensor out = Tensor::empty(
      {png.height, png.width, static_cast<std::int64_t>(channels)}, options);
  if (png_image_finish_read(&png, nullptr, out.mutable_data<std::uint8_t>(), 0,
                            nullptr) == 0) {
    fail("is damaged: " + std::string(png.message));
  }
  return out;
}

Bytes encode_png(const Tensor& image) {
  if (!image.defined() || image.dtype() != DType::U8) {
    throw ValueError(std::string("[encode_png] expected a u8 image, got ") +
                     (image.defined() ? name_of(image.dtype()) : "none"));
  }
  if (image.rank() != 3 || image.size(2) < 1 || image.size(2) > 4) {
    throw ShapeError(
        "[encode_png] expected an image (H,W,C) of 1 to 4 channels, got "
        "shape " +
        image.shape().str());
  }
  for (const int axis : {0, 1}) {
    if (image.size(axis) < 1 || image.size(axis) > max_length) {
      throw ShapeError("[encode_png] expected a height and width from 1 to " +
                       std::to_string(max_length) + ", got shape " +
                       image.shape().str());
    }
  }
  constexpr png_uint_32 formats[] = {PNG_FORMAT_GRAY, PNG_FORMAT_GA,
                                     PNG_FORMAT_RGB, PNG_FORMAT_RGBA};
  Image file;
  png_image& png = file.png;
  png.height = static_cast<png_uint_32>(image.size(0));
  png.width = static_cast<png_uint_32>(image.size(1));
  png.format = formats[image.size(2) - 1];
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  Bytes out(size);
  if (png_image_write_to_memory(&png, out.data(), &size, 0,
                                image.data<std::uint8_t>(), 0, nullptr) == 0) {
    throw IoError("[encode_png] " + std::string(png.message));
  }
  out.resize(size);
  return out;
}

}  // namespace mjolnir::io
