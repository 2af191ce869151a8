#include <mjolnir/io/npz.h>

#include <zlib.h>

#include <cstdint>

#include <mjolnir/core/allocator.h>
#include <mjolnir/io/npy.h>

#include "tests/support/files.h"
#include "tests/support/operator_new.h"

namespace mjolnir::io {
namespace {

using mjolnir::testing::bytes_of;
using mjolnir::testing::expect_error;
using mjolnir::testing::TempDirectory;

const std::string golden = MJOLNIR_SOURCE_DIR "/tests/io/golden/";

// What golden/make.py puts at the i-th element in C order.
template <class T>
std::vector<T> values(std::int64_t count) {
  std::vector<T> out;
  for (std::int64_t i = 0; i < count; ++i) {
    out.push_back(static_cast<T>(7 * i % 23 - 5));
  }
  return out;
}

// The content of golden/stored.npz, in its order.
NamedTensors ours() {
  return {{"layer1.0/weight", Tensor::from(values<float>(12), {4, 3})},
          {"Grüße", Tensor::from(values<double>(6), {2, 3})},
          {"count", Tensor::from(values<std::int64_t>(1), Shape())},
          {"empty", Tensor::from(std::vector<std::uint8_t>(), {0, 4})}};
}

void expect_ours(const NamedTensors& seen) {
  const NamedTensors expected = ours();
  ASSERT_EQ(seen.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    SCOPED_TRACE(expected[i].first);
    EXPECT_EQ(seen[i].first, expected[i].first);
    ASSERT_EQ(seen[i].second.shape(), expected[i].second.shape());
    ASSERT_EQ(seen[i].second.dtype(), expected[i].second.dtype());
    EXPECT_EQ(encode_npy(seen[i].second, ""),
              encode_npy(expected[i].second, ""));
  }
}

TEST(Npz, ReadsWhatNumpyStored) {
  expect_ours(read_npz(golden + "stored.npz"));
  EXPECT_TRUE(read_npz(golden + "none.npz").empty());
}

TEST(Npz, ReadsWhatNumpyCompressed) {
  NamedTensors seen = read_npz(golden + "deflated.npz");
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_EQ(seen[0].first, "zeros");
  EXPECT_EQ(seen[0].second.to_vector<float>(), std::vector<float>(20000));
  seen.erase(seen.begin());
  expect_ours(seen);
}

TEST(Npz, WhatIsWrittenIsReadBack) {
  const TempDirectory folder;
  NpzOptions packed;
  packed.compress = true;
  write_npz(folder / "a", ours());
  write_npz(folder / "b", ours(), packed);
  write_npz(folder / "none", {});
  expect_ours(read_npz(folder / "a"));
  expect_ours(read_npz(folder / "b"));
  EXPECT_TRUE(read_npz(folder / "none").empty());
  const NamedTensors zeros = {{"z", Tensor::zeros({100000})}};
  write_npz(folder / "z", zeros, packed);
  EXPECT_LT(read_file(folder / "z").size(), 2000u);
}

TEST(Npz, EqualTensorsGiveEqualBytes) {
  const TempDirectory folder;
  NamedTensors images = {{"x", Tensor::from(values<float>(120), {2, 3, 4, 5})}};
  write_npz(folder / "a", images);
  images[0].second = images[0].second.to(Layout::ChannelsLast);
  write_npz(folder / "b", images);
  EXPECT_EQ(read_file(folder / "a"), read_file(folder / "b"));
}

TEST(Npz, TheWriterRefusesBadNames) {
  const TempDirectory folder;
  const Tensor x = Tensor::zeros({1});
  const auto refused = [&](const NamedTensors& tensors, const char* word) {
    expect_error<ValueError>([&] { write_npz(folder / "x", tensors); },
                             {"[np", word});
    EXPECT_FALSE(file_exists(folder / "x"));
  };
  refused({{"a", x}, {"a", x}}, "two tensors are called 'a'");
  refused({{"a", Tensor()}}, "undefined");
  refused({{"", x}}, "empty");
  refused({{"\xff\xfe", x}}, "not UTF-8");
  refused({{std::string("a\0b", 3), x}}, "NUL");
  for (const char* name : {"../a", "a/../../b", "/a", "..", "a\\b"}) {
    refused({{name, x}}, "leads out of its folder");
  }
  EXPECT_NO_THROW(write_npz(folder / "y", {{"a..b/..c", x}}));
}

// ---- archives of our own making, after PKWARE's APPNOTE --------------------

struct Member {
  std::string name;
  Bytes packed;
  std::uint32_t size = 0;  // what it claims to unpack to
  std::uint32_t checksum = 0;
  std::uint16_t method = 0;
  std::uint16_t flags = 0;
  std::size_t at = 0;  // of its local header; same_place: of another's
  bool same_place = false;
};

void put(Bytes& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    out.push_back(static_cast<std::uint8_t>(value));
    value >>= 8;
  }
}

void put_header(Bytes& out, const Member& m, bool central) {
  put(out, central ? 0x02014b50 : 0x04034b50, 4);
  if (central) put(out, 20, 2);
  put(out, 20, 2);
  put(out, m.flags, 2);
  put(out, m.method, 2);
  put(out, 0x00210000, 4);
  put(out, m.checksum, 4);
  put(out, m.packed.size(), 4);
  put(out, m.size, 4);
  put(out, m.name.size(), 2);
  put(out, 0, central ? 12 : 2);
  if (central) put(out, m.at, 4);
  const Bytes name = bytes_of(m.name);
  out.insert(out.end(), name.begin(), name.end());
}

Bytes archive(std::vector<Member> members) {
  Bytes out;
  for (Member& m : members) {
    if (m.same_place) continue;
    m.at = out.size();
    put_header(out, m, false);
    out.insert(out.end(), m.packed.begin(), m.packed.end());
  }
  const std::size_t directory = out.size();
  for (const Member& m : members) put_header(out, m, true);
  const std::size_t length = out.size() - directory;
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, members.size(), 2);
  put(out, members.size(), 2);
  put(out, length, 4);
  put(out, directory, 4);
  put(out, 0, 2);
  return out;
}

Bytes npy() { return encode_npy(Tensor::full({3}, 2), ""); }

Member stored(const std::string& name, const Bytes& content) {
  Member m;
  m.name = name;
  m.packed = content;
  m.size = static_cast<std::uint32_t>(content.size());
  m.checksum = static_cast<std::uint32_t>(
      ::crc32(0, content.data(), static_cast<uInt>(content.size())));
  return m;
}

Member deflated(const std::string& name, const Bytes& content) {
  Member m = stored(name, content);
  m.method = 8;
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
  m.packed.resize(deflateBound(&z, static_cast<uLong>(content.size())));
  z.next_in = const_cast<Bytef*>(content.data());
  z.avail_in = static_cast<uInt>(content.size());
  z.next_out = m.packed.data();
  z.avail_out = static_cast<uInt>(m.packed.size());
  deflate(&z, Z_FINISH);
  m.packed.resize(z.total_out);
  deflateEnd(&z);
  return m;
}

void expect_refused(const Bytes& bytes, const std::string& word,
                    std::size_t limit = std::size_t{1} << 33) {
  expect_error<IoError>([&] { decode_npz(bytes, "some.npz", limit); },
                        {"some.npz", word});
}

TEST(NpzMalformed, TheArchivesOfThisTestAreFine) {
  const NamedTensors seen = decode_npz(
      archive({stored("a.npy", npy()), deflated("b.npy", npy())}), "x");
  ASSERT_EQ(seen.size(), 2u);
  for (const auto& named : seen) {
    EXPECT_EQ(named.second.to_vector<float>(), std::vector<float>(3, 2.0f));
  }
}

TEST(NpzMalformed, NamesThatLeadOutOfTheArchive) {
  for (const char* name : {"../a.npy", "x/../../a.npy", "/a.npy", "a\\b.npy"}) {
    expect_refused(archive({stored(name, npy())}), "a path out of it");
  }
}

TEST(NpzMalformed, WhatIsNotAnArray) {
  expect_refused(archive({stored("a.txt", npy())}), "not called *.npy");
  expect_refused(archive({stored(".npy", npy())}), "not called *.npy");
  expect_refused(archive({stored("folder/", {})}), "not called *.npy");
  expect_refused(archive({stored("a.npy", bytes_of("text"))}),
                 "'some.npz': 'a.npy' is not an NPY file");
  expect_error<IoError>([] { read_npz(golden + "object.npz"); },
                        {"object.npz': 'bad.npy'", "Python objects"});
  expect_refused({}, "not a ZIP archive");
  expect_refused(npy(), "not a ZIP archive");
}

TEST(NpzMalformed, MembersThatAreNotWhatTheyClaim) {
  expect_refused(archive({stored("a.npy", npy()), stored("a.npy", npy())}),
                 "'a.npy' twice");
  Member m = stored("a.npy", npy());
  m.checksum ^= 1;
  expect_refused(archive({m}), "damaged");
  m = deflated("a.npy", npy());
  m.packed[m.packed.size() / 2] ^= 4;
  expect_refused(archive({m}), "damaged");
  m = deflated("a.npy", npy());
  m.size -= 1;
  expect_refused(archive({m}), "damaged");
  m = deflated("a.npy", npy());
  m.size += 1;
  expect_refused(archive({m}), "damaged");
  m = stored("a.npy", npy());
  m.method = 12;  // bzip2
  expect_refused(archive({m}), "method 12");
  m = stored("a.npy", npy());
  m.flags = 1;
  expect_refused(archive({m}), "encrypted");
}

// 10 kB that would be 1 GB. Nothing is unpacked, and nothing allocated.
TEST(NpzMalformed, Bombs) {
  Bytes content = encode_npy(Tensor::zeros({2500000}), "");  // 10 MB
  const Member honest = deflated("0.npy", content);
  ASSERT_LT(honest.packed.size(), 12000u);
  EXPECT_EQ(decode_npz(archive({honest}), "x").at(0).second.numel(), 2500000);

  const auto cheap = [](const Bytes& bytes, const std::string& word,
                        std::size_t limit) {
    mjolnir::testing::reset_largest_allocation();
    expect_refused(bytes, word, limit);
    EXPECT_LE(mjolnir::testing::largest_allocation(), 2 * bytes.size() + 4096);
  };
  constexpr std::size_t no_limit = ~std::size_t{0};
  // One member that claims a gigabyte.
  Member liar = honest;
  liar.size = 1u << 30;
  cheap(archive({liar}), "cannot come from", no_limit);
  liar = stored("0.npy", npy());
  liar.size = 1u << 30;
  cheap(archive({liar}), "cannot come from", no_limit);
  // A hundred members that share the bytes of one.
  std::vector<Member> shared = {honest};
  for (int i = 1; i < 100; ++i) {
    shared.push_back(honest);
    shared.back().name = std::to_string(i) + ".npy";
    shared.back().same_place = true;
  }
  cheap(archive(shared), "overlap", no_limit);
  // More than the caller allows.
  cheap(archive({honest}), "more than 9999999 bytes", 9999999);
}

TEST(NpzMalformed, EveryTruncationAndEveryFlippedBitIsSurvived) {
  const Bytes whole =
      archive({stored("a.npy", npy()), deflated("b.npy", npy())});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    expect_refused(
        Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)),
        "");
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes bytes = whole;
      bytes[at] ^= static_cast<std::uint8_t>(1 << bit);
      try {
        decode_npz(bytes, "x");
      } catch (const IoError&) {
      }
    }
  }
}

TEST(Npz, AMissingFileIsNamed) {
  expect_error<IoError>([] { read_npz("/nowhere/x.npz"); },
                        {"/nowhere/x.npz", "No such file"});
}

}  // namespace
}  // namespace mjolnir::io
