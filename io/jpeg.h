#pragma once

#include <cstddef>
#include <string>

#include <mjolnir/core/tensor.h>
#include <mjolnir/io/file.h>

namespace mjolnir::io {

/** True if the bytes start as a JPEG file does. */
bool is_jpeg(const Bytes& bytes) noexcept;

/**
 * Unpacks a JPEG image into a U8 tensor (H,W,C), C = 1 for grey and 3 for RGB;
 * an orientation in its metadata is not applied. `name` is for the messages.
 * Throws IoError for bytes that are not JPEG, are truncated or damaged, hold
 * CMYK colours or more than 500 scans, or would unpack to more than `limit`
 * bytes, which is checked before they are allocated.
 */
Tensor decode_jpeg(const Bytes& bytes, const std::string& name,
                   std::size_t limit = std::size_t{1} << 28);

}  // namespace mjolnir::io
