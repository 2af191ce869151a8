#include <mjolnir/data/fetch.h>

#include <cstdlib>

#include "tests/support/files.h"

namespace mjolnir::data {
namespace {

using mjolnir::testing::bytes_of;
using mjolnir::testing::expect_error;
using mjolnir::testing::plant;
using mjolnir::testing::TempDirectory;

namespace fs = std::filesystem;

const std::string sum_of_abc =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

Source two_files() {
  Source s;
  s.name = "abc";
  s.folders = {"abc"};
  s.files = {{"a.bin", sum_of_abc}, {"b.bin", sum_of_abc}};
  s.urls = {"first/", "second/"};
  return s;
}

// Addresses are folders here; each call is noted.
struct Local {
  std::vector<std::string> asked;
  bool unpacks = true;

  FetchTools tools() {
    FetchTools t;
    t.download = [this](const std::string& url, const std::string& path) {
      asked.push_back(url);
      std::error_code error;
      fs::copy_file(url, path, fs::copy_options::overwrite_existing, error);
      return !error;
    };
    t.unpack = [this](const std::string& archive, const std::string& folder) {
      if (!unpacks) return false;
      plant(folder + "/a.bin", io::read_file(archive));
      plant(folder + "/b.bin", io::read_file(archive));
      return true;
    };
    return t;
  }
};

TEST(Fetch, TakesTheFirstAddressThatHasEverything) {
  const TempDirectory folder;
  plant(folder / "one/a.bin", bytes_of("abc"));  // and no b.bin
  plant(folder / "two/a.bin", bytes_of("abc"));
  plant(folder / "two/b.bin", bytes_of("abc"));
  Local local;
  fetch(two_files(), folder / "deep/to", {folder / "one/", folder / "two/"},
        local.tools());
  EXPECT_EQ(local.asked, std::vector<std::string>(
                             {folder / "one/a.bin", folder / "one/b.bin",
                              folder / "two/a.bin", folder / "two/b.bin"}));
  EXPECT_NO_THROW(verify(two_files(), folder / "deep/to"));
  EXPECT_FALSE(fs::exists(folder / "deep/to.partial"));
}

TEST(Fetch, UnpacksAnArchive) {
  const TempDirectory folder;
  Local local;
  for (const std::string ending : {"gz", "xz"}) {
    const std::string archive = folder / ("x.tar." + ending);
    const std::string to = folder / ("to-" + ending);
    plant(archive, bytes_of("abc"));
    fetch(two_files(), to, {archive}, local.tools());
    EXPECT_NO_THROW(verify(two_files(), to));
    for (const auto& entry : fs::directory_iterator(to)) {
      EXPECT_EQ(entry.path().extension(), ".bin") << entry.path();
    }
  }
  local.unpacks = false;
  expect_error<IoError>(
      [&] {
        fetch(two_files(), folder / "to", {folder / "x.tar.gz"}, local.tools());
      },
      {"cannot download 'abc'", folder / "x.tar.gz"});
}

TEST(Fetch, ADamagedFileIsNamedAndNothingIsKept) {
  const TempDirectory folder;
  plant(folder / "one/a.bin", bytes_of("abc"));
  plant(folder / "one/b.bin", bytes_of("abd"));
  Local local;
  expect_error<IoError>(
      [&] {
        fetch(two_files(), folder / "to", {folder / "one/"}, local.tools());
      },
      {"b.bin", "SHA-256", sum_of_abc});
  EXPECT_FALSE(fs::exists(folder / "to"));
  EXPECT_FALSE(fs::exists(folder / "to.partial"));
}

TEST(Fetch, AFailedRunLeavesNoFolderBehind) {
  const TempDirectory folder;
  plant(folder / "damaged/a.bin", bytes_of("abd"));
  plant(folder / "damaged/b.bin", bytes_of("abd"));
  fs::create_directory(folder / "mine");
  Local local;
  for (const std::string& from : {folder / "nowhere/", folder / "damaged/"}) {
    expect_error<IoError>(
        [&] {
          fetch(two_files(), folder / "new/deep/to", {from}, local.tools());
        },
        {"abc"});
    EXPECT_FALSE(fs::exists(folder / "new")) << from;
    expect_error<IoError>(
        [&] { fetch(two_files(), folder / "mine/to", {from}, local.tools()); },
        {"abc"});
    EXPECT_TRUE(fs::is_empty(folder / "mine")) << from;  // there before
  }
}

TEST(Fetch, OfflineItSaysWhatToDoByHand) {
  const TempDirectory folder;
  Local local;
  expect_error<IoError>(
      [&] {
        fetch(source("mnist"), folder / "to",
              {folder / "nowhere/", folder / "elsewhere/"}, local.tools());
      },
      {"cannot download 'mnist'", folder / "nowhere/", folder / "elsewhere/",
       "https://ossci-datasets.s3.amazonaws.com/mnist/"
       "t10k-labels-idx1-ubyte.gz",
       "./mjolnir data mnist --from FOLDER"});
  expect_error<IoError>(
      [&] { fetch(source("cifar10"), folder / "to", {}, local.tools()); },
      {"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
       "./mjolnir data cifar10 --from FOLDER"});
}

TEST(Fetch, RefusesWhatIsNotDownloaded) {
  expect_error<ValueError>([] { fetch(source("fashion-mnist"), "x", {}, {}); },
                           {"fashion-mnist", "apt-get install"});
}

}  // namespace
}  // namespace mjolnir::data
