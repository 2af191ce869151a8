#pragma once

#include <cstddef>
#include <string>

#include <mjolnir/core/tensor.h>
#include <mjolnir/io/file.h>

namespace mjolnir::io {

/** True if the bytes start as a PNG file does. */
bool is_png(const Bytes& bytes) noexcept;

/**
 * Unpacks a PNG image of any kind into a U8 tensor (H,W,C): C is 1 for grey, 3
 * for RGB, one more with transparency (not premultiplied). Palettes are
 * resolved, 16-bit samples rounded to 8. `name` is for the messages. Throws
 * IoError for bytes that are not PNG, are truncated or damaged, or would unpack
 * to more than `limit` bytes, which is checked before anything is allocated.
 */
Tensor decode_png(const Bytes& bytes, const std::string& name,
                  std::size_t limit = std::size_t{1} << 28);

/**
 * Packs a U8 image (H,W,C), C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA, into
 * a PNG file. Throws ShapeError or ValueError for another tensor, or for a
 * height or width of 0 or above 1,000,000.
 */
Bytes encode_png(const Tensor& image);

}  // namespace mjolnir::io
