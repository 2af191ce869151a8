#include "io/detail/input_file.h"

#include <cstdint>

#include "tests/support/files.h"

namespace mjolnir::io::detail {
namespace {

using mjolnir::testing::expect_error;
using mjolnir::testing::plant;
using mjolnir::testing::TempDirectory;

Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  }
  return bytes;
}

// Spans of every kind: none, small, larger than the pieces that threads take.
TEST(InputFile, EverySpanGetsItsBytes) {
  const TempDirectory folder;
  const Bytes bytes = pattern(7 << 20);
  plant(folder / "x", bytes);
  const InputFile file(folder / "x");
  EXPECT_TRUE(file.regular());
  EXPECT_EQ(file.size(), bytes.size());
  const std::vector<std::pair<std::size_t, std::size_t>> places = {
      {0, 3}, {3, 0}, {3, 5000001}, {5000004, 1}, {5000005, 2000000}};
  std::vector<Bytes> parts;
  std::vector<Span> spans;
  for (const auto& [at, size] : places) parts.emplace_back(size);
  for (std::size_t i = 0; i < places.size(); ++i) {
    spans.push_back({places[i].first, parts[i].data(), parts[i].size()});
  }
  file.read(spans);
  file.expect_unchanged();
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto from =
        bytes.begin() + static_cast<std::ptrdiff_t>(places[i].first);
    EXPECT_TRUE(std::equal(parts[i].begin(), parts[i].end(), from)) << i;
  }
}

TEST(InputFile, AFileThatBecameShorterIsAnError) {
  const TempDirectory folder;
  plant(folder / "x", pattern(6 << 20));
  const InputFile file(folder / "x");
  std::filesystem::resize_file(folder / "x", (6 << 20) - 1);
  Bytes all(6 << 20);
  const auto words = std::vector<std::string>{folder / "x", "became shorter"};
  expect_error<IoError>([&] { file.read(0, all.data(), all.size()); }, words);
  expect_error<IoError>(
      [&] {
        file.read({{0, all.data(), all.size()}});
      },
      words);
  EXPECT_NO_THROW(file.read(0, all.data(), all.size() - 1));
}

TEST(InputFile, AFileThatGrewOrWasOverwrittenIsAnError) {
  const TempDirectory folder;
  plant(folder / "x", pattern(100));
  const InputFile longer(folder / "x");
  longer.expect_unchanged();
  std::filesystem::resize_file(folder / "x", 101);
  const auto words =
      std::vector<std::string>{folder / "x", "written to while it was read"};
  expect_error<IoError>([&] { longer.expect_unchanged(); }, words);

  const InputFile same(folder / "x");
  plant(folder / "x", pattern(101));
  // Clocks of file systems are coarse.
  std::filesystem::last_write_time(
      folder / "x",
      std::filesystem::last_write_time(folder / "x") + std::chrono::seconds(2));
  expect_error<IoError>([&] { same.expect_unchanged(); }, words);
}

TEST(InputFile, AFileThatIsReplacedIsReadAsItWas) {
  const TempDirectory folder;
  const Bytes bytes = pattern(5000);
  plant(folder / "x", bytes);
  const InputFile file(folder / "x");
  write_file(folder / "x", Bytes(4000));  // another file under its name
  Bytes all(5000);
  file.read(0, all.data(), all.size());
  file.expect_unchanged();
  EXPECT_EQ(all, bytes);
}

TEST(InputFile, ErrorsNameThePathAndTheReason) {
  const TempDirectory folder;
  expect_error<IoError>([&] { InputFile(folder / "none"); },
                        {folder / "none", "No such file"});
  expect_error<IoError>([&] { InputFile(folder.path()); },
                        {folder.path(), "Is a directory"});
  EXPECT_FALSE(InputFile("/dev/null").regular());
}

}  // namespace
}  // namespace mjolnir::io::detail
