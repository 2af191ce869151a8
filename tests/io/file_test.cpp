#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mjolnir/io/file.h>

#include "tests/support/files.h"

namespace mjolnir::io {
namespace {

using mjolnir::testing::bytes_of;
using mjolnir::testing::expect_error;
using mjolnir::testing::plant;
using mjolnir::testing::TempDirectory;

std::size_t entries(const std::string& directory) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    (void)entry;
    ++count;
  }
  return count;
}

TEST(ReadFile, GivesEveryByte) {
  const TempDirectory folder;
  Bytes bytes(100003);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  }
  plant(folder / "x", bytes);
  EXPECT_EQ(read_file(folder / "x"), bytes);
  plant(folder / "empty", {});
  EXPECT_TRUE(read_file(folder / "empty").empty());
}

TEST(ReadFile, ReadsAFileWithoutALength) {
  EXPECT_THAT(read_file("/proc/self/status").size(), ::testing::Gt(100u));
}

TEST(ReadFile, ErrorsNameThePathAndTheReason) {
  const TempDirectory folder;
  expect_error<IoError>([&] { read_file(folder / "none"); },
                        {folder / "none", "No such file"});
  expect_error<IoError>([&] { read_file(folder.path()); },
                        {folder.path(), "Is a directory"});
}

TEST(WriteFile, ReplacesTheWholeFileAndLeavesNothingElse) {
  const TempDirectory folder;
  const std::string path = folder / "x";
  write_file(path, "a long first content");
  write_file(path, "short");
  EXPECT_EQ(read_file(path), bytes_of("short"));
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(WriteFile, WithoutCommitTheOldFileStays) {
  const TempDirectory folder;
  const std::string path = folder / "x";
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("new, but the writer stops here");
    EXPECT_EQ(read_file(path), bytes_of("old"));
  }
  EXPECT_EQ(read_file(path), bytes_of("old"));
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(WriteFile, AfterCommitItIsClosed) {
  const TempDirectory folder;
  AtomicFile file(folder / "x");
  file.commit();
  expect_error<IoError>([&] { file.write("more"); }, {folder / "x", "closed"});
  expect_error<IoError>([&] { file.commit(); }, {folder / "x", "closed"});
}

TEST(WriteFile, FollowsALinkAndKeepsIt) {
  const TempDirectory folder;
  write_file(folder / "target", "old");
  ASSERT_EQ(::symlink((folder / "target").c_str(), (folder / "link").c_str()),
            0);
  write_file(folder / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(read_file(folder / "target"), bytes_of("new"));
}

TEST(WriteFile, RefusesADanglingLink) {
  const TempDirectory folder;
  ASSERT_EQ(::symlink("nowhere", (folder / "link").c_str()), 0);
  expect_error<IoError>([&] { write_file(folder / "link", "x"); },
                        {folder / "link", "link", "No such file"});
}

TEST(WriteFile, RefusesADirectoryAndAMissingOne) {
  const TempDirectory folder;
  expect_error<IoError>([&] { write_file(folder.path(), "x"); },
                        {folder.path(), "Is a directory"});
  expect_error<IoError>([&] { write_file(folder / "none/x", "x"); },
                        {folder / "none/x", "No such file"});
}

// Gives up the right of root to write anywhere, for a scope.
class NotRoot {
 public:
  NotRoot() : user_(::geteuid()) {
    if (user_ == 0 && ::seteuid(65534) != 0) throw IoError("still root");
  }
  ~NotRoot() {
    if (::seteuid(user_) != 0) std::abort();
  }
  NotRoot(const NotRoot&) = delete;
  NotRoot& operator=(const NotRoot&) = delete;

 private:
  uid_t user_;
};

TEST(WriteFile, NamesThePathWhenTheFolderIsReadOnly) {
  const TempDirectory folder;
  ::chmod(folder.path().c_str(), 0555);
  {
    const NotRoot user;
    expect_error<IoError>([&] { write_file(folder / "x", "x"); },
                          {folder / "x", "Permission denied"});
  }
  ::chmod(folder.path().c_str(), 0700);
}

// A stream to a full disk looks good until it is flushed.
TEST(WriteFile, AFullDiskIsAnErrorAndTheDeviceSurvives) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  expect_error<IoError>([] { write_file("/dev/full", "x"); },
                        {"/dev/full", "No space left"});
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

TEST(MakeDirectories, MakesParentsAndAcceptsExistingOnes) {
  const TempDirectory folder;
  make_directories(folder / "a/b/c");
  make_directories(folder / "a/b/c");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b/c"));
  write_file(folder / "file", "x");
  expect_error<IoError>([&] { make_directories(folder / "file"); },
                        {folder / "file"});
  expect_error<IoError>([&] { make_directories(folder / "file/below"); },
                        {folder / "file/below"});
}

TEST(FileExists, IsTrueForRegularFilesOnly) {
  const TempDirectory folder;
  plant(folder / "x", {1});
  EXPECT_TRUE(file_exists(folder / "x"));
  EXPECT_FALSE(file_exists(folder / "y"));
  EXPECT_FALSE(file_exists(folder.path()));
}

}  // namespace
}  // namespace mjolnir::io
