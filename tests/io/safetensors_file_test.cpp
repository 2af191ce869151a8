// What reading a file from the disk adds to reading bytes: how much memory it
// takes, and files that are not what they seem.

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include <mjolnir/core/allocator.h>
#include <mjolnir/io/safetensors.h>

#include "tests/support/files.h"
#include "tests/support/operator_new.h"

namespace mjolnir::io {
namespace {

using mjolnir::testing::bytes_of;
using mjolnir::testing::expect_error;
using mjolnir::testing::largest_allocation;
using mjolnir::testing::plant;
using mjolnir::testing::reset_largest_allocation;
using mjolnir::testing::TempDirectory;

// The length in front, the text, zeros up to `size` bytes in all.
Bytes file_of(std::uint64_t length, const std::string& text, std::size_t size) {
  Bytes out;
  for (int i = 0; i < 8; ++i) {
    out.push_back(static_cast<std::uint8_t>(length >> (8 * i)));
  }
  const Bytes rest = bytes_of(text);
  out.insert(out.end(), rest.begin(), rest.end());
  out.resize(size);
  return out;
}

// Refuses the file, and asks for no more memory at once than it has bytes.
void expect_cheap_refusal(const Bytes& bytes) {
  const TempDirectory folder;
  const std::string path = folder / "x";
  plant(path, bytes);
  reset_allocator_peak();
  const std::size_t before = allocator_statistics().peak;
  reset_largest_allocation();
  EXPECT_THROW(read_safetensors(path), IoError);
  EXPECT_LE(largest_allocation(), bytes.size());
  EXPECT_EQ(allocator_statistics().peak, before);  // no tensor either
}

TEST(SafeTensorsFile, ALyingHeaderLengthTakesNoMemory) {
  for (const std::uint64_t length :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{7},
        std::uint64_t{99999999}, std::uint64_t{1} << 31, std::uint64_t{1} << 63,
        ~std::uint64_t{0}, ~std::uint64_t{0} - 7}) {
    SCOPED_TRACE(length);
    expect_cheap_refusal(file_of(length, "{}", 4096));
  }
}

TEST(SafeTensorsFile, ALyingShapeTakesNoMemory) {
  for (
      const char* entry :
      {R"("dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104])",
       R"("dtype":"F32","shape":[1099511627776],"data_offsets":[0,1024])",
       R"("dtype":"I32","shape":[1048576,1048576],"data_offsets":[0,0])",
       R"("dtype":"U8","shape":[0,9223372036854775807],"data_offsets":[0,1])"}) {
    SCOPED_TRACE(entry);
    const std::string header = "{\"a\":{" + std::string(entry) + "}}";
    expect_cheap_refusal(
        file_of(header.size(), header, 8 + header.size() + 4096));
  }
}

// The counter sees what it is there for.
TEST(SafeTensorsFile, TheCounterSeesAllocations) {
  reset_largest_allocation();
  const Bytes bytes(123456);
  EXPECT_GE(largest_allocation(), bytes.size());
}

// No buffer of the size of the file beside the tensors.
TEST(SafeTensorsFile, ElementsGoStraightIntoTheirTensors) {
  const TempDirectory folder;
  const std::int64_t count = 1 << 21;
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(i));
  }
  const Tensor x = Tensor::from(values, {count});
  write_safetensors(folder / "x",
                    {{"a", x}, {"b", x}, {"empty", Tensor::zeros({0})}});
  reset_largest_allocation();
  const SafeTensors file = read_safetensors(folder / "x");
  EXPECT_LT(largest_allocation(), 100000u);
  ASSERT_EQ(file.tensors.size(), 3u);
  for (const auto& [name, tensor] : file.tensors) {
    if (name != "empty") {
      EXPECT_EQ(tensor.to_vector<float>(), values);
    }
  }
}

TEST(SafeTensorsFile, ReadsFromAPipe) {
  const TempDirectory folder;
  write_safetensors(folder / "x", {{"a", Tensor::full({3}, 4)}});
  const Bytes bytes = read_file(folder / "x");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::thread writer([&] { plant(folder / "pipe", bytes); });
  const SafeTensors file = read_safetensors(folder / "pipe");
  writer.join();
  EXPECT_EQ(file.tensors.at(0).second.to_vector<float>(),
            std::vector<float>(3, 4.0f));
}

// Whatever the moment, the result is the whole file or an error.
TEST(SafeTensorsFile, AFileThatGrowsAndShrinksIsWholeOrAnError) {
  const TempDirectory folder;
  const std::string path = folder / "x";
  write_safetensors(path, {{"a", Tensor::full({1 << 18}, 4)}});
  const auto size = std::filesystem::file_size(path);
  std::atomic<bool> done{false};
  std::thread other([&] {
    for (unsigned i = 0; !done; ++i) {
      std::filesystem::resize_file(path, i % 2 == 0 ? size / 2 : size + 10);
      std::filesystem::resize_file(path, size);
    }
  });
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    try {
      const SafeTensors file = read_safetensors(path);
      EXPECT_EQ(file.tensors.at(0).second.numel(), 1 << 18);
    } catch (const IoError&) {
      ++refused;
    }
  }
  done = true;
  other.join();
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace mjolnir::io
