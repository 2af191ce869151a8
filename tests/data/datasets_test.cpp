#include <mjolnir/data/datasets.h>
#include <mjolnir/data/sources.h>

#include <cmath>

#include "tests/support/files.h"

namespace mjolnir::data {
namespace {

using mjolnir::testing::bytes_of;
using mjolnir::testing::expect_error;
using mjolnir::testing::gzip;
using mjolnir::testing::plant;
using mjolnir::testing::ScopedEnvironment;
using mjolnir::testing::TempDirectory;

const std::string fashion_folder = "/usr/share/datasets/fashion-mnist";

io::Bytes idx_images(std::uint8_t count) {
  io::Bytes bytes = {0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28};
  for (int i = 0; i < count * 28 * 28; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(i));
  }
  return bytes;
}

io::Bytes idx_labels(const io::Bytes& labels) {
  io::Bytes bytes = {0, 0, 8, 1, 0, 0, 0};
  bytes.push_back(static_cast<std::uint8_t>(labels.size()));
  for (const std::uint8_t label : labels) bytes.push_back(label);
  return bytes;
}

// The folder of real data, or "" with the reason the test is skipped.
std::string real_data() {
  const char* folder = std::getenv("MJOLNIR_DATA_DIR");
  return folder == nullptr ? "" : folder;
}

TEST(Sources, AnUnknownNameListsTheKnownOnes) {
  expect_error<ValueError>(
      [] { source("imagenet"); },
      {"imagenet", "fashion-mnist", "mnist", "cifar10", "cifar100"});
}

TEST(Sources, LookInTheDocumentedPlacesInOrder) {
  const ScopedEnvironment own("MJOLNIR_DATA_DIR", "/own");
  const ScopedEnvironment xdg("XDG_DATA_HOME", "/xdg");
  EXPECT_EQ(
      places(source("mnist")),
      std::vector<std::string>({"/own/mnist", "/own", "/xdg/mjolnir/mnist",
                                "/usr/local/share/datasets/mnist",
                                "/usr/share/datasets/mnist"}));
  EXPECT_EQ(places(source("mnist"), "/given"),
            std::vector<std::string>({"/given/mnist", "/given"}));
  EXPECT_EQ(install_folder(source("cifar10")),
            "/xdg/mjolnir/cifar-10-batches-bin");
}

TEST(Sources, FallBackOnTheHomeFolder) {
  const ScopedEnvironment own("MJOLNIR_DATA_DIR", "");
  const ScopedEnvironment xdg("XDG_DATA_HOME", nullptr);
  const ScopedEnvironment home("HOME", "/home/thor");
  EXPECT_EQ(places(source("mnist"))[0],
            "/home/thor/.local/share/mjolnir/mnist");
  EXPECT_EQ(install_folder(source("mnist")),
            "/home/thor/.local/share/mjolnir/mnist");
}

TEST(Sources, WithoutAnyHomeOnlySystemFoldersAreLeft) {
  const ScopedEnvironment own("MJOLNIR_DATA_DIR", nullptr);
  const ScopedEnvironment xdg("XDG_DATA_HOME", nullptr);
  const ScopedEnvironment home("HOME", nullptr);
  EXPECT_EQ(places(source("mnist"))[0], "/usr/local/share/datasets/mnist");
  expect_error<IoError>([] { install_folder(source("mnist")); }, {"HOME"});
}

TEST(Sources, NotFoundListsEveryPlaceAndTheWayOut) {
  const TempDirectory folder;
  const ScopedEnvironment own("MJOLNIR_DATA_DIR", (folder / "own").c_str());
  const ScopedEnvironment xdg("XDG_DATA_HOME", (folder / "xdg").c_str());
  expect_error<IoError>(
      [] { Cifar10::test(); },
      {"test_batch.bin", folder / "own/cifar-10-batches-bin",
       folder / "own/cifar10", folder / "xdg/mjolnir/cifar-10-batches-bin",
       "/usr/share/datasets/cifar10", "./mjolnir data cifar10",
       "MJOLNIR_DATA_DIR"});
  expect_error<IoError>([&] { FashionMnist::train(folder / "given"); },
                        {"train-images-idx3-ubyte", folder / "given",
                         "apt-get install dataset-fashion-mnist"});
  expect_error<IoError>([&] { Cifar100::train(folder / "given"); },
                        {"train.bin", folder / "given", "cifar-100-binary"});
}

TEST(Sources, AHalfFilledFolderNamesWhatIsMissing) {
  const TempDirectory folder;
  plant(folder / "mnist/train-images-idx3-ubyte", idx_images(1));
  expect_error<IoError>([&] { Mnist::train(folder.path()); },
                        {folder / "mnist", "lacks train-labels-idx1-ubyte"});
}

TEST(Sources, TheFirstPlaceWins) {
  const TempDirectory folder;
  plant(folder / "own/t10k-images-idx3-ubyte", idx_images(1));
  plant(folder / "own/t10k-labels-idx1-ubyte.gz", gzip(idx_labels({4})));
  plant(folder / "xdg/mjolnir/mnist/t10k-images-idx3-ubyte", idx_images(2));
  plant(folder / "xdg/mjolnir/mnist/t10k-labels-idx1-ubyte",
        idx_labels({5, 6}));
  const ScopedEnvironment xdg("XDG_DATA_HOME", (folder / "xdg").c_str());
  {
    const ScopedEnvironment own("MJOLNIR_DATA_DIR", (folder / "own").c_str());
    EXPECT_EQ(Mnist::test().size(), 1);
    EXPECT_EQ(Mnist::test().label(0), 4);
  }
  const ScopedEnvironment own("MJOLNIR_DATA_DIR", nullptr);
  EXPECT_EQ(Mnist::test().size(), 2);
}

TEST(Sources, VerifyNamesTheFileThatDiffers) {
  const TempDirectory folder;
  Source s;
  s.name = "abc";
  s.files = {
      {"a.bin",
       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"b.bin",
       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}};
  plant(folder / "a.bin", bytes_of("abc"));
  expect_error<IoError>([&] { verify(s, folder.path()); },
                        {folder / "b.bin", "No such file"});
  plant(folder / "b.bin", bytes_of("abd"));
  expect_error<IoError>([&] { verify(s, folder.path()); },
                        {folder / "b.bin", "SHA-256", "ba7816bf8f01"});
  plant(folder / "b.bin", bytes_of("abc"));
  EXPECT_NO_THROW(verify(s, folder.path()));
}

TEST(IdxPair, RefusesDifferentCounts) {
  const TempDirectory folder;
  plant(folder / "train-images-idx3-ubyte", idx_images(3));
  plant(folder / "train-labels-idx1-ubyte", idx_labels({1, 2}));
  expect_error<IoError>([&] { Mnist::train(folder.path()); },
                        {folder / "train-images-idx3-ubyte", "3 images",
                         folder / "train-labels-idx1-ubyte", "2 labels"});
}

TEST(IdxPair, RefusesSwappedFiles) {
  const TempDirectory folder;
  plant(folder / "train-images-idx3-ubyte", idx_labels({1}));
  plant(folder / "train-labels-idx1-ubyte", idx_labels({1}));
  expect_error<IoError>([&] { Mnist::train(folder.path()); },
                        {"train-images", "images (N,H,W)", "(1)"});
  plant(folder / "train-images-idx3-ubyte", idx_images(1));
  plant(folder / "train-labels-idx1-ubyte", idx_images(1));
  expect_error<IoError>([&] { Mnist::train(folder.path()); },
                        {"train-labels", "labels (N)", "(1,28,28)"});
}

TEST(IdxPair, RefusesALabelOutOfRange) {
  const TempDirectory folder;
  plant(folder / "train-images-idx3-ubyte", idx_images(2));
  plant(folder / "train-labels-idx1-ubyte", idx_labels({9, 10}));
  expect_error<IoError>(
      [&] { Mnist::train(folder.path()); },
      {folder / "train-labels-idx1-ubyte", "label 10", "record 1", "0 to 9"});
}

// A file of this many bytes that starts with `bytes` and goes on with zeros,
// which no disk has to hold.
void plant_sized(const std::string& path, const io::Bytes& bytes,
                 std::uintmax_t size) {
  plant(path, bytes);
  std::filesystem::resize_file(path, size);
}

constexpr std::uintmax_t cifar10_bytes = 30'730'000;   // 10,000 records
constexpr std::uintmax_t cifar100_bytes = 30'740'000;  // of the test set

TEST(Cifar, LoadsEitherFolderName) {
  const TempDirectory folder;
  plant_sized(folder / "cifar10/test_batch.bin", {8}, cifar10_bytes);
  const Dataset d = Cifar10::test(folder.path());
  EXPECT_EQ(d.size(), 10000);
  EXPECT_EQ(d.class_names()[static_cast<std::size_t>(d.label(0))], "ship");
  EXPECT_EQ(d.label(9999), 0);
  plant_sized(folder / "cifar-100-binary/test.bin", {0, 99}, cifar100_bytes);
  const Dataset hundred = Cifar100::test(folder.path());
  EXPECT_EQ(hundred.size(), 10000);
  EXPECT_EQ(hundred.classes(), 100);
  EXPECT_EQ(hundred.class_names()[static_cast<std::size_t>(hundred.label(0))],
            "worm");
}

TEST(Cifar, RefusesAFileOfAnotherSizeThanPublished) {
  const TempDirectory folder;
  // Cut, or gone on, between two records: each record is whole.
  for (const std::uintmax_t size : {cifar10_bytes - 3073, cifar10_bytes + 3073,
                                    std::uintmax_t{3073}, std::uintmax_t{0}}) {
    plant_sized(folder / "test_batch.bin", {8}, size);
    expect_error<IoError>(
        [&] { Cifar10::test(folder.path()); },
        {folder / "test_batch.bin", "has " + std::to_string(size) + " bytes",
         "expected 30730000", "truncated"});
  }
  for (const std::string number : {"1", "2", "3", "4", "5"}) {
    plant_sized(folder / ("data_batch_" + number + ".bin"), {8},
                cifar10_bytes - (number == "3" ? 3073 : 0));
  }
  expect_error<IoError>(
      [&] { Cifar10::train(folder.path()); },
      {folder / "data_batch_3.bin", "30726927 bytes", "expected 30730000"});
  plant_sized(folder / "test.bin", {0, 99}, cifar100_bytes - 3074);
  expect_error<IoError>([&] { Cifar100::test(folder.path()); },
                        {folder / "test.bin", "expected 30740000"});
  plant_sized(folder / "train.bin", {0, 99}, cifar100_bytes);
  expect_error<IoError>([&] { Cifar100::train(folder.path()); },
                        {folder / "train.bin", "expected 153700000"});
}

TEST(Cifar, ReadsAGzippedFile) {
  const TempDirectory folder;
  io::Bytes bytes(cifar10_bytes);
  bytes[3073] = 7;  // the label of record 1
  plant(folder / "test_batch.bin.gz", gzip(bytes));
  EXPECT_EQ(Cifar10::test(folder.path()).label(1), 7);
}

// ---- the real files --------------------------------------------------------

// Mean and deviation of every channel to the four digits that are published,
// and as many samples of every class.
void expect_real(const Dataset& d, std::int64_t size) {
  ASSERT_EQ(d.size(), size);
  const ChannelStatistics measured = d.channel_statistics();
  for (std::size_t c = 0; c < measured.mean.size(); ++c) {
    EXPECT_NEAR(measured.mean[c], d.mean()[c], 6e-5);
    EXPECT_NEAR(measured.stddev[c], d.stddev()[c], 6e-5);
  }
}

TEST(RealData, FashionMnist) {
  if (!std::filesystem::exists(fashion_folder)) {
    GTEST_SKIP() << "no " << fashion_folder
                 << " (Debian: dataset-fashion-mnist)";
  }
  const Dataset train = FashionMnist::train(fashion_folder);
  expect_real(train, 60000);
  EXPECT_EQ(train.height(), 28);
  EXPECT_EQ(train.channels(), 1);
  std::vector<int> count(10);
  for (std::int64_t i = 0; i < train.size(); ++i) {
    ++count[static_cast<std::size_t>(train.label(i))];
  }
  EXPECT_EQ(count, std::vector<int>(10, 6000));
  EXPECT_EQ(train.label(0), 9);  // the first image is an ankle boot
  EXPECT_EQ(FashionMnist::test(fashion_folder).size(), 10000);
}

TEST(RealData, Mnist) {
  if (!std::filesystem::exists(real_data() + "/mnist")) {
    GTEST_SKIP() << "MJOLNIR_DATA_DIR has no mnist/ (./mjolnir data mnist)";
  }
  expect_real(Mnist::train(real_data()), 60000);
  EXPECT_EQ(Mnist::test(real_data()).size(), 10000);
  EXPECT_NO_THROW(verify(source("mnist"), real_data() + "/mnist"));
}

TEST(RealData, Cifar10) {
  const std::string folder = real_data() + "/cifar-10-batches-bin";
  if (!std::filesystem::exists(folder)) {
    GTEST_SKIP() << "MJOLNIR_DATA_DIR has no cifar-10-batches-bin/ "
                    "(./mjolnir data cifar10)";
  }
  const Dataset train = Cifar10::train(real_data());
  expect_real(train, 50000);
  EXPECT_EQ(train.class_names()[static_cast<std::size_t>(train.label(0))],
            "frog");
  EXPECT_EQ(Cifar10::test(real_data()).size(), 10000);
  EXPECT_NO_THROW(verify(source("cifar10"), folder));
}

}  // namespace
}  // namespace mjolnir::data
