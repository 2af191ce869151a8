#include <mjolnir/data/cifar.h>

#include "tests/support/files.h"

namespace mjolnir::data {
namespace {

using mjolnir::testing::expect_error;
using mjolnir::testing::plant;
using mjolnir::testing::TempDirectory;

// Colour plane c of record i holds (i + 50 c + y + 3 x) mod 256 at (y, x).
std::uint8_t pixel(int i, int c, int y, int x) {
  return static_cast<std::uint8_t>(i + 50 * c + y + 3 * x);
}

io::Bytes records(const std::vector<io::Bytes>& labels) {
  io::Bytes out;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    out.insert(out.end(), labels[i].begin(), labels[i].end());
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < 32; ++y) {
        for (int x = 0; x < 32; ++x) {
          out.push_back(pixel(static_cast<int>(i), c, y, x));
        }
      }
    }
  }
  return out;
}

TEST(Cifar, ReadsLabelsAndPlanes) {
  const CifarRecords r =
      decode_cifar({records({{3}, {9}})}, {"x"}, CifarFormat::Cifar10);
  EXPECT_EQ(r.labels.to_vector<std::int64_t>(),
            std::vector<std::int64_t>({3, 9}));
  ASSERT_EQ(r.images.shape(), Shape({2, 3, 32, 32}));
  EXPECT_EQ(r.images.layout(), Layout::ChannelsLast);
  const auto values = r.images.to_vector<std::uint8_t>();  // logical order
  std::size_t at = 0;
  for (int i = 0; i < 2; ++i) {
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < 32; ++y) {
        for (int x = 0; x < 32; ++x) {
          ASSERT_EQ(values[at++], pixel(i, c, y, x)) << i << c << y << x;
        }
      }
    }
  }
}

TEST(Cifar, JoinsFilesInOrder) {
  const CifarRecords r = decode_cifar({records({{1}}), records({{2}, {4}})},
                                      {"a", "b"}, CifarFormat::Cifar10);
  EXPECT_EQ(r.labels.to_vector<std::int64_t>(),
            std::vector<std::int64_t>({1, 2, 4}));
}

TEST(Cifar, TakesEitherLabelOfCifar100) {
  const std::vector<io::Bytes> files = {records({{19, 99}, {0, 20}})};
  EXPECT_EQ(decode_cifar(files, {"x"}, CifarFormat::Cifar100Fine)
                .labels.to_vector<std::int64_t>(),
            std::vector<std::int64_t>({99, 20}));
  EXPECT_EQ(decode_cifar(files, {"x"}, CifarFormat::Cifar100Coarse)
                .labels.to_vector<std::int64_t>(),
            std::vector<std::int64_t>({19, 0}));
}

TEST(Cifar, RefusesAMissingFile) {
  const TempDirectory folder;
  expect_error<IoError>(
      [&] { read_cifar({folder / "none.bin"}, CifarFormat::Cifar10); },
      {folder / "none.bin", "No such file"});
}

TEST(Cifar, RefusesAnEmptyFile) {
  const TempDirectory folder;
  plant(folder / "a.bin", records({{1}}));
  plant(folder / "b.bin", {});
  expect_error<IoError>(
      [&] {
        read_cifar({folder / "a.bin", folder / "b.bin"}, CifarFormat::Cifar10);
      },
      {folder / "b.bin", "empty"});
}

TEST(Cifar, RefusesAPartOfARecord) {
  io::Bytes short_file = records({{1}, {2}});
  short_file.pop_back();
  io::Bytes long_file = records({{1}});
  long_file.push_back(0);
  for (const io::Bytes& bytes : {short_file, long_file}) {
    expect_error<IoError>(
        [&] { decode_cifar({bytes}, {"some.bin"}, CifarFormat::Cifar10); },
        {"some.bin", std::to_string(bytes.size()), "3073"});
  }
  expect_error<IoError>(
      [&] {
        decode_cifar({records({{1}})}, {"some.bin"}, CifarFormat::Cifar100Fine);
      },
      {"some.bin", "3073 bytes", "records of 3074"});
}

TEST(Cifar, RefusesALabelOutOfRangeAndNamesTheRecord) {
  for (const std::uint8_t label : {std::uint8_t{10}, std::uint8_t{255}}) {
    expect_error<IoError>(
        [&] {
          decode_cifar({records({{1}, {2}, {label}})}, {"some.bin"},
                       CifarFormat::Cifar10);
        },
        {"some.bin", "label " + std::to_string(label), "record 2", "0 to 9"});
  }
  expect_error<IoError>(
      [&] {
        decode_cifar({records({{1, 100}})}, {"some.bin"},
                     CifarFormat::Cifar100Fine);
      },
      {"some.bin", "label 100", "record 0", "0 to 99"});
  expect_error<IoError>(
      [&] {
        decode_cifar({records({{20, 1}})}, {"some.bin"},
                     CifarFormat::Cifar100Coarse);
      },
      {"some.bin", "label 20", "record 0", "0 to 19"});
}

TEST(Cifar, NamesTheFileOfALabelOutOfRangeAndItsRecordThere) {
  const TempDirectory folder;
  plant(folder / "first.bin", records({{1}, {2}, {3}}));
  for (int label = 10; label <= 255; ++label) {
    plant(folder / "second.bin",
          records({{4}, {static_cast<std::uint8_t>(label)}}));
    expect_error<IoError>(
        [&] {
          read_cifar({folder / "first.bin", folder / "second.bin"},
                     CifarFormat::Cifar10);
        },
        {"'" + folder / "second.bin" + "'",
         "label " + std::to_string(label) + " in record 1,"});
  }
}

}  // namespace
}  // namespace mjolnir::data
