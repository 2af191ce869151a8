#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mjolnir/io/safetensors.h>
#include <mjolnir/train/checkpoint/checkpoint.h>
#include <limits>
#include <string>

#include "tests/support/files.h"
#include "tests/support/state.h"

namespace mjolnir::train {
namespace {

using mjolnir::testing::expect_error;
using mjolnir::testing::expect_same_bits;
using mjolnir::testing::plant;
using mjolnir::testing::TempDirectory;
using ::testing::HasSubstr;
using ::testing::Not;

// Of each type, with names, numbers and notes that a flip can hit.
Checkpoint small() {
  Checkpoint checkpoint;
  checkpoint.state = {
      {"fit/model/w", Tensor::from<float>({1.5F, -2, 3e-30F, 0}, {2, 2})},
      {"fit/optimizer/momentum/w", Tensor::from<double>({0.1, 0.2}, {2})},
      {"fit/run/integers",
       Tensor::from<std::int64_t>({1, (std::int64_t{1} << 53) + 1}, {2})},
      {"empty", Tensor::empty({0}, {DType::U8})}};
  checkpoint.notes = {{"step", "12"}, {"config", "{\"seed\": 1}\n"}};
  return checkpoint;
}

TEST(Checkpoint, ComesBackBitForBitWithItsNotes) {
  const TempDirectory folder;
  write_checkpoint(folder / "c", small());
  const Checkpoint back = read_checkpoint(folder / "c");
  EXPECT_EQ(back.notes.at("step"), "12");
  EXPECT_EQ(back.notes.at("config"), "{\"seed\": 1}\n");
  EXPECT_EQ(back.notes.at("version"), "1");
  EXPECT_FALSE(back.notes.at("mjolnir").empty());
  EXPECT_EQ(back.notes.count("not_finite"), 0u);
  ASSERT_EQ(back.state.size(), small().state.size());
  for (const auto& [name, tensor] : small().state) {
    expect_same_bits(part_of(back.state, name), {{"", tensor}}, name);
  }
}

TEST(Checkpoint, TheSameStateGivesTheSameBytes) {
  const TempDirectory folder;
  write_checkpoint(folder / "a", small());
  write_checkpoint(folder / "b", small());
  EXPECT_EQ(io::read_file(folder / "a"), io::read_file(folder / "b"));
}

TEST(Checkpoint, AFileCutAtAnyByteIsRefused) {
  const TempDirectory folder;
  write_checkpoint(folder / "c", small());
  const io::Bytes whole = io::read_file(folder / "c");
  ASSERT_GT(whole.size(), 400u);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    plant(folder / "cut",
          {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    EXPECT_THROW(read_checkpoint(folder / "cut"), IoError) << size;
  }
  io::Bytes more = whole;
  more.push_back(0);
  plant(folder / "cut", more);
  EXPECT_THROW(read_checkpoint(folder / "cut"), IoError);
}

TEST(Checkpoint, EveryFlippedBitIsNoticed) {
  const TempDirectory folder;
  write_checkpoint(folder / "c", small());
  io::Bytes bytes = io::read_file(folder / "c");
  std::size_t missed = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ (1U << bit));
      plant(folder / "flipped", bytes);
      try {
        read_checkpoint(folder / "flipped");
        ++missed;
        ADD_FAILURE() << "bit " << bit << " of byte " << i;
      } catch (const IoError& error) {
        EXPECT_THAT(error.what(), HasSubstr("flipped"));
      }
      bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ (1U << bit));
    }
  }
  EXPECT_EQ(missed, 0u);
}

// Writes the file with another version and a checksum that fits.
void write_version(const std::string& path, const std::string& version) {
  write_checkpoint(path, small());
  io::SafeTensors file = io::read_safetensors(path);
  file.metadata["version"] = version;
  io::write_safetensors(path, file.tensors, file.metadata);
}

TEST(Checkpoint, ALaterVersionIsRefusedByName) {
  const TempDirectory folder;
  for (const std::string version : {"2", "17", "0", "-1", "x", ""}) {
    write_version(folder / "c", version);
    expect_error<IoError>(
        [&] { read_checkpoint(folder / "c"); },
        {folder / "c", "is of version " + version, "this build reads <= 1"});
  }
}

TEST(Checkpoint, AnotherKindOfFileIsRefused) {
  const TempDirectory folder;
  io::write_safetensors(folder / "model", {{"w", Tensor::zeros({2})}},
                        {{"format", "pt"}});
  expect_error<IoError>([&] { read_checkpoint(folder / "model"); },
                        {"is no checkpoint of Mjolnir"});
  io::write_safetensors(folder / "bare", {{"w", Tensor::zeros({2})}});
  expect_error<IoError>([&] { read_checkpoint(folder / "bare"); },
                        {"is no checkpoint of Mjolnir"});
  plant(folder / "noise", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  EXPECT_THROW(read_checkpoint(folder / "noise"), IoError);
  EXPECT_THROW(read_checkpoint(folder / "none"), IoError);
}

TEST(Checkpoint, NotesOfItsOwnCannotBeGiven) {
  const TempDirectory folder;
  for (const std::string name :
       {"format", "version", "mjolnir", "checksum", "not_finite"}) {
    Checkpoint checkpoint = small();
    checkpoint.notes[name] = "1";
    expect_error<ValueError>(
        [&] { write_checkpoint(folder / "c", checkpoint); }, {name});
  }
  EXPECT_FALSE(io::file_exists(folder / "c"));
}

// A checksum in a note is not taken for the file's.
TEST(Checkpoint, ANoteThatLooksLikeAChecksumDoesNoHarm) {
  const TempDirectory folder;
  Checkpoint checkpoint = small();
  checkpoint.notes["aaa"] = "\"checksum\":\"00000000\"";
  write_checkpoint(folder / "c", checkpoint);
  EXPECT_EQ(read_checkpoint(folder / "c").notes.at("aaa"),
            "\"checksum\":\"00000000\"");
}

TEST(Checkpoint, CountsWhatIsNotFiniteInTheModel) {
  const TempDirectory folder;
  Checkpoint checkpoint = small();
  const float infinity = std::numeric_limits<float>::infinity();
  checkpoint.state[0].second =
      Tensor::from<float>({1, infinity, -infinity, std::nanf("")}, {4});
  // Elsewhere it is nobody's business: a mean of nothing is NaN.
  checkpoint.state[1].second = Tensor::from<double>({std::nan("")}, {1});
  write_checkpoint(folder / "c", checkpoint);
  EXPECT_EQ(read_checkpoint(folder / "c").notes.at("not_finite"), "3");
}

TEST(Checkpoint, PartsKeepTheirOrder) {
  SavedState state;
  append(state, "a/", {{"x", Tensor::zeros({1})}, {"y", Tensor::zeros({2})}});
  append(state, "b/", {{"x", Tensor::zeros({3})}});
  ASSERT_EQ(state.size(), 3u);
  EXPECT_EQ(state[2].first, "b/x");
  const SavedState part = part_of(state, "a/");
  ASSERT_EQ(part.size(), 2u);
  EXPECT_EQ(part[1].first, "y");
  EXPECT_EQ(part[1].second.numel(), 2);
}

}  // namespace
}  // namespace mjolnir::train
