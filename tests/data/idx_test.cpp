#include <mjolnir/data/idx.h>

#include "tests/support/files.h"

namespace mjolnir::data {
namespace {

using mjolnir::testing::expect_error;
using mjolnir::testing::gzip;
using mjolnir::testing::plant;
using mjolnir::testing::TempDirectory;

// Two images of 2x3: magic 2051, then the lengths, then the pixels.
const io::Bytes images = {0, 0, 8, 3, 0, 0, 0, 2, 0,  0,  0,  2,  0,  0,
                          0, 3, 1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 255};

io::Bytes with(io::Bytes bytes, std::size_t at, std::uint8_t value) {
  bytes.at(at) = value;
  return bytes;
}

void expect_refused(const io::Bytes& bytes,
                    const std::vector<std::string>& words) {
  std::vector<std::string> all = words;
  all.push_back("some-file");
  expect_error<IoError>([&] { decode_idx(bytes, "some-file"); }, all);
}

TEST(Idx, ReadsShapeAndBytes) {
  const Tensor x = decode_idx(images, "x");
  EXPECT_EQ(x.shape(), Shape({2, 2, 3}));
  EXPECT_EQ(x.dtype(), DType::U8);
  EXPECT_EQ(
      x.to_vector<std::uint8_t>(),
      std::vector<std::uint8_t>({1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 255}));
}

TEST(Idx, ReadsBigEndianLengths) {
  io::Bytes labels(8 + 258, 7);
  const io::Bytes header = {0, 0, 8, 1, 0, 0, 1, 2};  // 258 labels
  std::copy(header.begin(), header.end(), labels.begin());
  EXPECT_EQ(decode_idx(labels, "x").shape(), Shape({258}));
}

TEST(Idx, ReadsAFileWithNoSamples) {
  EXPECT_EQ(decode_idx({0, 0, 8, 1, 0, 0, 0, 0}, "x").shape(), Shape({0}));
}

TEST(Idx, ReadsPlainAndGzippedFiles) {
  const TempDirectory folder;
  plant(folder / "plain", images);
  plant(folder / "packed.gz", gzip(images));
  const auto expected = decode_idx(images, "x").to_vector<std::uint8_t>();
  EXPECT_EQ(read_idx(folder / "plain").to_vector<std::uint8_t>(), expected);
  EXPECT_EQ(read_idx(folder / "packed.gz").to_vector<std::uint8_t>(), expected);
}

TEST(Idx, RefusesAMissingFile) {
  const TempDirectory folder;
  expect_error<IoError>([&] { read_idx(folder / "none"); },
                        {folder / "none", "No such file"});
}

TEST(Idx, RefusesAnEmptyFile) { expect_refused({}, {"empty"}); }

TEST(Idx, RefusesAnotherFormat) {
  expect_refused(with(images, 0, 1), {"not an IDX file"});
  expect_refused(with(images, 1, 1), {"not an IDX file"});
  expect_refused(with(images, 2, 13), {"IDX type 13", "unsigned bytes"});
  expect_refused(with(images, 3, 0), {"rank 0"});
  expect_refused(with(images, 3, 200), {"rank 200"});
}

TEST(Idx, RefusesAHeaderThatPromisesMoreThanTheFile) {
  expect_refused(with(images, 7, 3), {"18 bytes", "(3,2,3)", "ends after 12"});
}

TEST(Idx, RefusesAFileLongerThanItsHeader) {
  io::Bytes longer = images;
  longer.push_back(0);
  expect_refused(longer, {"12 bytes", "(2,2,3)", "goes on for 13"});
}

TEST(Idx, RefusesEveryTruncation) {
  for (std::size_t size = 0; size < images.size(); ++size) {
    const io::Bytes cut(images.begin(),
                        images.begin() + static_cast<std::ptrdiff_t>(size));
    expect_refused(cut, {});
  }
}

TEST(Idx, RefusesLengthsThatOverflow) {
  io::Bytes huge(16, 0xff);
  huge[0] = huge[1] = 0;
  huge[2] = 8;
  huge[3] = 3;
  expect_refused(huge, {"overflow"});
  // 2^28 x 2^28 bytes is a shape, but not a file.
  expect_refused({0, 0, 8, 2, 16, 0, 0, 0, 16, 0, 0, 0}, {"ends after 0"});
}

TEST(Idx, RefusesADamagedGzipFile) {
  const TempDirectory folder;
  io::Bytes packed = gzip(images);
  packed.pop_back();
  plant(folder / "cut.gz", packed);
  expect_error<IoError>([&] { read_idx(folder / "cut.gz"); },
                        {folder / "cut.gz", "truncated"});
}

}  // namespace
}  // namespace mjolnir::data
