#pragma once

#include <array>
#include <cstdint>

namespace mjolnir::kernels {

/**
 * Philox4x32-10: ten rounds of two 32x32 -> 64 bit products (Salmon et al.,
 * SC11). The key is the seed; the 128-bit counter is (counter, stream).
 * Gives two words of 64 random bits.
 */
inline std::array<std::uint64_t, 2> philox(std::uint64_t seed,
                                           std::uint64_t stream,
                                           std::uint64_t counter) noexcept {
  auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  auto high = [](std::uint64_t v) {
    return static_cast<std::uint32_t>(v >> 32);
  };
  std::uint32_t c0 = low(counter);
  std::uint32_t c1 = high(counter);
  std::uint32_t c2 = low(stream);
  std::uint32_t c3 = high(stream);
  std::uint32_t k0 = low(seed);
  std::uint32_t k1 = high(seed);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0;
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c2;
    c0 = high(p1) ^ c1 ^ k0;
    c1 = low(p1);
    c2 = high(p0) ^ c3 ^ k1;
    c3 = low(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {c0 | std::uint64_t{c1} << 32, c2 | std::uint64_t{c3} << 32};
}

/** The upper 53 bits as a number in [0, 1). */
inline double unit_interval(std::uint64_t bits) noexcept {
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

}  // namespace mjolnir::kernels
