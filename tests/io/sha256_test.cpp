#include <gtest/gtest.h>
#include <mjolnir/io/sha256.h>

#include <cstdint>
#include <string>
#include <vector>

namespace mjolnir::io {
namespace {

std::string of(const std::string& text) {
  return sha256(text.data(), text.size());
}

// The examples of FIPS 180-4 and of NIST's test vectors.
TEST(Sha256, MatchesThePublishedVectors) {
  EXPECT_EQ(of(""),
            "e3b0c44298fc1c149afbf4c8996fb924"
            "27ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(of("abc"),
            "ba7816bf8f01cfea414140de5dae2223"
            "b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039"
            "a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(of(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67"
            "f1809a48a497200e046d39ccc7112cd0");
}

// Lengths around the one where the padding needs a second block; sums by
// Python's hashlib of bytes(range(n)).
TEST(Sha256, PadsEveryLength) {
  const std::vector<std::pair<std::size_t, std::string>> cases = {
      {55, "463eb28e72f82e0a96c0a4cc53690c571281131f672aa229e0d45ae59b598b59"},
      {56, "da2ae4d6b36748f2a318f23e7ab1dfdf45acdc9d049bd80e59de82a60895f562"},
      {63, "29af2686fd53374a36b0846694cc342177e428d1647515f078784d69cdb9e488"},
      {64, "fdeab9acf3710362bd2658cdc9a29e8f9c757fcf9811603a8c447cd1d9151108"},
      {119, "da18797ed7c3a777f0847f429724a2d8cd5138e6ed2895c3fa1a6d39d18f7ec6"},
      {120,
       "f52b23db1fbb6ded89ef42a23ce0c8922c45f25c50b568a93bf1c075420bbb7c"}};
  for (const auto& [size, sum] : cases) {
    std::vector<std::uint8_t> bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
      bytes[i] = static_cast<std::uint8_t>(i);
    }
    EXPECT_EQ(sha256(bytes.data(), size), sum) << size;
  }
}

}  // namespace
}  // namespace mjolnir::io
