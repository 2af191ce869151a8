#pragma once

#include <string>

#include <mjolnir/core/tensor.h>

namespace mjolnir::io {

/** Reads a PNG or JPEG file, whatever its name ends in, as decode_png() or
 * decode_jpeg(): U8 (H,W,C). Throws IoError with the path. */
Tensor read_image(const std::string& path);

}  // namespace mjolnir::io
