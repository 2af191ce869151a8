#pragma once

#include <cstddef>
#include <cstdint>

namespace mjolnir::io::detail {

/** CRC-32C (Castagnoli; RFC 3720, appendix B.4) of `size` bytes. */
std::uint32_t crc32c(const void* data, std::size_t size) noexcept;

/** The same as event files store it: rotated right by 15 bits, plus a
 * constant, so that a sum over bytes that hold sums is no special case. */
std::uint32_t masked_crc32c(const void* data, std::size_t size) noexcept;

}  // namespace mjolnir::io::detail
