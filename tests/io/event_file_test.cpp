#include <mjolnir/io/event_file.h>
#include <mjolnir/io/event_log.h>
#include <mjolnir/io/png.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>

#include "tests/support/files.h"

namespace mjolnir::io {
namespace {

using mjolnir::testing::expect_error;
using mjolnir::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// 1500000000.25 at first, a second more each time.
std::function<double()> ticking() {
  return [now = 1499999999.25]() mutable { return now += 1; };
}

// tests/io/golden/make_events.py wrote the same with TensorBoard's messages.
TEST(EventFile, WritesTensorBoardsBytes) {
  const TempDirectory folder;
  EventFileOptions options;
  options.first_step = 7;
  options.clock = ticking();
  EventFile file(folder.path(), options);
  file.add_scalar("train/loss", 0.1, 7);
  file.add_scalar("train/loss", 0.0, 0);
  file.add_scalar("train/loss", nan, 300);
  file.add_scalar("train/loss", -inf, std::int64_t{1} << 40);
  file.add_histogram(
      "weights", histogram_of(Tensor::from<float>({-2, 0, 1, 2, 2}, {5}), 4),
      8);
  file.add_histogram("weights", Tensor::zeros({0}), 8);
  file.add_image("filters", {2, 3, 1, {0x89, 'P', 'N', 'G', 0, 0xFF}}, 8);
  file.close();
  EXPECT_EQ(read_file(file.path()),
            read_file(MJOLNIR_SOURCE_DIR "/tests/io/golden/run.tfevents"));
}

TEST(EventFile, HasANameThatTensorBoardLooksFor) {
  const TempDirectory folder;
  EventFileOptions options;
  options.clock = [] { return 1234567.9; };
  const EventFile file(folder / "a/new/one", options);
  EXPECT_THAT(file.path(),
              AllOf(StartsWith(folder / "a/new/one/events.out.tfevents."),
                    HasSubstr(".0001234567."),
                    HasSubstr("." + std::to_string(::getpid()) + ".")));
  EXPECT_TRUE(file_exists(file.path()));
}

TEST(EventFile, TwoOfOneSecondAreTwoFiles) {
  const TempDirectory folder;
  EventFileOptions options;
  options.clock = [] { return 1.0; };
  const EventFile one(folder.path(), options);
  const EventFile two(folder.path(), options);
  EXPECT_NE(one.path(), two.path());
}

TEST(EventFile, StampsRecordsWithTheTime) {
  const TempDirectory folder;
  const auto now = [] {
    return std::chrono::duration<double>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  const double before = now();
  EventFile file(folder.path());
  file.add_scalar("a", 1, 1);
  const EventLog log = read_events(file.path());
  ASSERT_EQ(log.records.size(), 2u);
  EXPECT_GE(log.records[0].seconds, before);
  EXPECT_GE(log.records[1].seconds, log.records[0].seconds);
  EXPECT_LE(log.records[1].seconds, now());
}

// Without close(): what a killed process leaves.
TEST(EventFile, ARecordIsInTheFileAsSoonAsItIsAdded) {
  const TempDirectory folder;
  EventFile file(folder.path());
  EXPECT_EQ(read_events(file.path()).records.size(), 1u);
  file.add_scalar("a", 1, 1);
  const EventLog log = read_events(file.path());
  EXPECT_EQ(log.records.size(), 2u);
  EXPECT_FALSE(log.torn);
}

TEST(EventFile, CannotBeMadeWhereAFileIs) {
  const TempDirectory folder;
  mjolnir::testing::plant(folder / "file", {1});
  expect_error<IoError>([&] { EventFile file(folder / "file"); },
                        {folder / "file"});
  if (::geteuid() == 0) return;  // may write anywhere
  std::filesystem::permissions(
      folder.path(),
      std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  expect_error<IoError>([&] { EventFile file(folder.path()); },
                        {"[events] cannot write", folder.path()});
}

TEST(EventFile, IsSilentAfterItWasClosed) {
  const TempDirectory folder;
  EventFile file(folder.path());
  file.close();
  file.close();
  expect_error<IoError>([&] { file.add_scalar("a", 1, 1); },
                        {file.path(), "is closed"});
  EXPECT_EQ(read_events(file.path()).records.size(), 1u);
}

TEST(EventFile, PacksPixelsAsPng) {
  const TempDirectory folder;
  const Tensor pixels = Tensor::from<std::uint8_t>(
      {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18},
      {3, 2, 3});
  EventFile file(folder.path());
  file.add_image("a picture", pixels, 4);
  const EventLog log = read_events(file.path());
  const EventImage image = log.records.at(1).values.at(0).image.value();
  EXPECT_EQ(image.height, 3);
  EXPECT_EQ(image.width, 2);
  EXPECT_EQ(image.channels, 3);
  const Tensor back = decode_png(image.png, "it");
  EXPECT_EQ(back.shape(), pixels.shape());
  EXPECT_EQ(back.to_vector<std::uint8_t>(), pixels.to_vector<std::uint8_t>());
  expect_error<ValueError>(
      [&] { file.add_image("a picture", Tensor::zeros({4}), 4); },
      {"encode_png"});
}

TEST(EventFile, RefusesAnEmptyImage) {
  const TempDirectory folder;
  EventFile file(folder.path());
  expect_error<ValueError>(
      [&] {
        file.add_image("a picture", {2, 2, 1, {}}, 1);
      },
      {"a picture"});
  expect_error<ValueError>(
      [&] {
        file.add_image("a picture", {2, 0, 1, {1}}, 1);
      },
      {"a picture"});
  EXPECT_EQ(read_events(file.path()).records.size(), 1u);
}

}  // namespace
}  // namespace mjolnir::io
