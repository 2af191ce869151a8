#include "io/detail/crc32c.h"

#include <gtest/gtest.h>

#include <vector>

namespace mjolnir::io::detail {
namespace {

// The examples of RFC 3720, appendix B.4, whose bytes stand in the order of
// the wire: AA 36 91 8A is the number 8A9136AA.
TEST(Crc32c, MatchesThePublishedVectors) {
  std::vector<std::uint8_t> bytes(32, 0);
  EXPECT_EQ(crc32c(bytes.data(), 32), 0x8A9136AAU);
  bytes.assign(32, 0xFF);
  EXPECT_EQ(crc32c(bytes.data(), 32), 0x62A8AB43U);
  for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(crc32c(bytes.data(), 32), 0x46DD794EU);
  for (std::size_t i = 0; i < 32; ++i) {
    bytes[i] = static_cast<std::uint8_t>(31 - i);
  }
  EXPECT_EQ(crc32c(bytes.data(), 32), 0x113FDB5CU);
  EXPECT_EQ(crc32c("123456789", 9), 0xE3069283U);
  EXPECT_EQ(crc32c(nullptr, 0), 0U);
}

// By masked_crc32c() of TensorBoard 2.21's compat.tensorflow_stub.
TEST(Crc32c, IsMaskedAsInEventFiles) {
  EXPECT_EQ(masked_crc32c("", 0), 0xA282EAD8U);
  EXPECT_EQ(masked_crc32c("123456789", 9), 0xC78AB0E5U);
}

}  // namespace
}  // namespace mjolnir::io::detail
