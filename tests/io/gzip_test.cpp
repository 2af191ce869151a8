#include <mjolnir/io/gzip.h>

#include "tests/support/files.h"

namespace mjolnir::io {
namespace {

using mjolnir::testing::bytes_of;
using mjolnir::testing::expect_error;
using mjolnir::testing::gzip;

Bytes sample() {
  Bytes bytes(5000);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(i * i >> 3);
  }
  return bytes;
}

TEST(Gunzip, UnpacksOneMember) {
  EXPECT_EQ(gunzip(gzip(sample()), "x"), sample());
  EXPECT_TRUE(gunzip(gzip({}), "x").empty());
}

TEST(Gunzip, JoinsConcatenatedMembers) {
  Bytes packed = gzip(bytes_of("first "));
  const Bytes second = gzip(bytes_of("second"));
  packed.insert(packed.end(), second.begin(), second.end());
  EXPECT_EQ(gunzip(packed, "x"), bytes_of("first second"));
}

TEST(Gunzip, RefusesATruncationAtEveryByte) {
  const Bytes packed = gzip(bytes_of("a text that gets shorter and shorter"));
  for (std::size_t size = 2; size < packed.size(); ++size) {
    const Bytes cut(packed.begin(),
                    packed.begin() + static_cast<std::ptrdiff_t>(size));
    expect_error<IoError>([&] { gunzip(cut, "some.gz"); },
                          {"some.gz", "truncated"});
  }
}

TEST(Gunzip, RefusesABadChecksum) {
  Bytes packed = gzip(sample());
  packed[packed.size() - 8] ^= 1;  // CRC-32, then the length
  expect_error<IoError>([&] { gunzip(packed, "some.gz"); },
                        {"some.gz", "damaged", "incorrect data check"});
  packed = gzip(sample());
  packed[packed.size() - 1] ^= 1;
  expect_error<IoError>([&] { gunzip(packed, "some.gz"); },
                        {"some.gz", "damaged", "incorrect length check"});
}

TEST(Gunzip, RefusesOtherBytes) {
  expect_error<IoError>([] { gunzip(bytes_of("PK plain text"), "a.gz"); },
                        {"a.gz", "not a gzip file"});
  expect_error<IoError>([] { gunzip({}, "a.gz"); },
                        {"a.gz", "not a gzip file"});
  Bytes packed = gzip(sample());
  packed.insert(packed.end(), {'t', 'a', 'i', 'l'});
  expect_error<IoError>([&] { gunzip(packed, "a.gz"); }, {"a.gz", "damaged"});
}

TEST(Gunzip, StopsAtTheLimit) {
  const Bytes packed = gzip(Bytes(1 << 20));  // a megabyte in a kilobyte
  EXPECT_LT(packed.size(), 2000u);
  EXPECT_EQ(gunzip(packed, "x", 1 << 20).size(), 1u << 20);
  expect_error<IoError>([&] { gunzip(packed, "bomb.gz", (1 << 20) - 1); },
                        {"bomb.gz", "more than 1048575 bytes"});
}

}  // namespace
}  // namespace mjolnir::io
