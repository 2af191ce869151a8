#pragma once

#include <cstddef>
#include <string>

#include <mjolnir/io/file.h>

namespace mjolnir::io {

/** True if the bytes start as a gzip file does. */
bool is_gzip(const Bytes& bytes) noexcept;

/**
 * Unpacks a gzip file (RFC 1952; several members give their contents one
 * after the other). `name` is for the messages. Throws IoError for bytes that
 * are not gzip, are truncated or damaged, or unpack to more than `limit`.
 */
Bytes gunzip(const Bytes& packed, const std::string& name,
             std::size_t limit = std::size_t{1} << 33);

}  // namespace mjolnir::io
