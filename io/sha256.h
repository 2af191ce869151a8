#pragma once

#include <cstddef>
#include <string>

namespace mjolnir::io {

/** SHA-256 (FIPS 180-4) of some bytes as 64 hexadecimal digits. */
std::string sha256(const void* data, std::size_t size);

}  // namespace mjolnir::io
