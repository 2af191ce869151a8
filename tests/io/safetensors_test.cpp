#include <mjolnir/io/safetensors.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "tests/support/files.h"

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

// The content of golden/ours.safetensors, in another order.
NamedTensors ours() {
  return {
      {"bytes", Tensor::from(values<std::uint8_t>(5), {5})},
      {"empty", Tensor::from(std::vector<float>(), {0, 4})},
      {"layer1.0.conv1.weight", Tensor::from(values<float>(48), {4, 3, 2, 2})},
      {"exact", Tensor::from(values<double>(6), {2, 3})},
      {"quote \" and Grüße\n", Tensor::from(values<float>(1), {1})},
      {"count", Tensor::from(values<std::int64_t>(1), Shape())},
      {"bias", Tensor::from(values<float>(3), {3})}};
}

TEST(SafeTensors, ReadsWhatTheReferenceWrote) {
  const SafeTensors file = read_safetensors(golden + "ours.safetensors");
  EXPECT_EQ(file.metadata, (Metadata{{"format", "mjölnir"}}));
  ASSERT_EQ(file.tensors.size(), 7u);
  for (const auto& [name, expected] : ours()) {
    SCOPED_TRACE(name);
    const auto at = std::find_if(
        file.tensors.begin(), file.tensors.end(),
        [&, &wanted = name](const auto& t) { return t.first == wanted; });
    ASSERT_NE(at, file.tensors.end());
    const Tensor& x = at->second;
    ASSERT_EQ(x.shape(), expected.shape());
    ASSERT_EQ(x.dtype(), expected.dtype());
    if (x.dtype() == DType::F32) {
      EXPECT_EQ(x.to_vector<float>(), expected.to_vector<float>());
    } else if (x.dtype() == DType::F64) {
      EXPECT_EQ(x.to_vector<double>(), expected.to_vector<double>());
    } else if (x.dtype() == DType::I64) {
      EXPECT_EQ(x.to_vector<std::int64_t>(),
                expected.to_vector<std::int64_t>());
    } else {
      EXPECT_EQ(x.to_vector<std::uint8_t>(),
                expected.to_vector<std::uint8_t>());
    }
  }
  EXPECT_TRUE(read_safetensors(golden + "empty.safetensors").tensors.empty());
}

TEST(SafeTensors, WidensInt32AndBool) {
  const SafeTensors file = read_safetensors(golden + "others.safetensors");
  ASSERT_EQ(file.tensors.size(), 3u);
  for (const auto& [name, x] : file.tensors) {
    if (name == "int") {
      EXPECT_EQ(x.to_vector<std::int64_t>(), values<std::int64_t>(6));
    } else if (name == "flag") {
      std::vector<std::uint8_t> expected;
      for (const std::int64_t v : values<std::int64_t>(6)) {
        expected.push_back(v > 0 ? 1 : 0);
      }
      EXPECT_EQ(x.to_vector<std::uint8_t>(), expected);
    }
  }
}

TEST(SafeTensors, RefusesOtherDtypes) {
  expect_error<IoError>(
      [] { read_safetensors(golden + "half.safetensors"); },
      {"half.safetensors", "tensor 'half'", "dtype F16", "F32, F64"});
}

// Byte for byte, whatever the order they are given in.
TEST(SafeTensors, WritesWhatTheReferenceWrites) {
  const TempDirectory folder;
  write_safetensors(folder / "a", ours(), {{"format", "mjölnir"}});
  EXPECT_EQ(read_file(folder / "a"), read_file(golden + "ours.safetensors"));
  write_safetensors(folder / "b", {});
  EXPECT_EQ(read_file(folder / "b"), read_file(golden + "empty.safetensors"));
}

TEST(SafeTensors, WritesInLogicalOrder) {
  const TempDirectory folder;
  NamedTensors tensors = ours();
  tensors[2].second = tensors[2].second.to(Layout::ChannelsLast);
  write_safetensors(folder / "a", tensors, {{"format", "mjölnir"}});
  EXPECT_EQ(read_file(folder / "a"), read_file(golden + "ours.safetensors"));
}

TEST(SafeTensors, KeepsEveryBitAndMuchMetadata) {
  const TempDirectory folder;
  const float odd[] = {-0.0f, std::numeric_limits<float>::quiet_NaN(),
                       std::numeric_limits<float>::infinity(),
                       std::numeric_limits<float>::denorm_min()};
  const Tensor x = Tensor::from(std::vector<float>(odd, odd + 4), {2, 2});
  const Metadata metadata = {
      {"step", "9007199254740993"}, {"", "empty key"}, {"a", ""}};
  write_safetensors(folder / "x", {{"x", x}}, metadata);
  const SafeTensors file = read_safetensors(folder / "x");
  EXPECT_EQ(file.metadata, metadata);
  const Tensor& y = file.tensors.at(0).second;
  EXPECT_EQ(std::memcmp(y.data<float>(), odd, sizeof odd), 0);
}

TEST(SafeTensors, DataStartAtAMultipleOfEight) {
  const TempDirectory folder;
  std::string name;
  for (int i = 0; i < 9; ++i) {
    name += 'n';
    write_safetensors(folder / "x", {{name, Tensor::zeros({1})}});
    const Bytes bytes = read_file(folder / "x");
    EXPECT_EQ(bytes[0] % 8, 0);
    EXPECT_EQ(bytes.size(), 8u + bytes[0] + 4u);
  }
}

TEST(SafeTensors, WriterRefusesBadNames) {
  const TempDirectory folder;
  const Tensor x = Tensor::zeros({1});
  const auto refused = [&](const NamedTensors& tensors, const char* word) {
    expect_error<ValueError>([&] { write_safetensors(folder / "x", tensors); },
                             {"[safetensors]", word});
    EXPECT_FALSE(file_exists(folder / "x"));
  };
  refused({{"a", x}, {"b", x}, {"a", Tensor::zeros({1}, {DType::F64})}},
          "two tensors are called 'a'");
  refused({{"__metadata__", x}}, "__metadata__");
  refused({{"a", Tensor()}}, "'a' is undefined");
  refused({{"\xff\xfe", x}}, "not UTF-8");
  refused({{std::string("a\0b", 3), x}}, "NUL");
}

// Trap: a stream to a full disk is good until it is flushed.
TEST(SafeTensors, AFullDiskIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  expect_error<IoError>([] { write_safetensors("/dev/full", ours()); },
                        {"/dev/full", "No space left"});
}

TEST(SafeTensors, AFailedWriteKeepsTheOldFile) {
  const TempDirectory folder;
  write_safetensors(folder / "x", ours());
  const Bytes before = read_file(folder / "x");
  EXPECT_THROW(write_safetensors(folder / "x", {{"a", Tensor()}}), ValueError);
  EXPECT_EQ(read_file(folder / "x"), before);
}

// ---- malformed files -------------------------------------------------------

Bytes file_of(const std::string& header, std::size_t data,
              std::uint64_t length) {
  Bytes out;
  for (int i = 0; i < 8; ++i) {
    out.push_back(static_cast<std::uint8_t>(length >> (8 * i)));
  }
  for (const char c : header) out.push_back(static_cast<std::uint8_t>(c));
  out.resize(out.size() + data, 7);
  return out;
}

Bytes file_of(const std::string& header, std::size_t data = 0) {
  return file_of(header, data, header.size());
}

void expect_refused(const Bytes& bytes, const std::vector<std::string>& words) {
  std::vector<std::string> all = words;
  all.push_back("[safetensors] 'some.file'");
  expect_error<IoError>([&] { decode_safetensors(bytes, "some.file"); }, all);
}

std::string entry(const std::string& name, const std::string& dtype,
                  const std::string& shape, const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

TEST(SafeTensorsMalformed, TruncationAtEveryByte) {
  const Bytes whole = read_file(golden + "ours.safetensors");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    expect_refused(
        Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)),
        {});
  }
}

TEST(SafeTensorsMalformed, HeaderLengths) {
  expect_refused(file_of("", 0), {"does not start with '{'"});
  expect_refused(file_of("{}", 0, 0), {"does not start with '{'"});
  expect_refused(file_of("{}", 0, 1), {"not JSON"});
  expect_refused(file_of("{}", 0, 3), {"truncated"});
  expect_refused(file_of("{}", 0, 7), {"truncated"});
  for (const std::uint64_t length :
       {std::uint64_t{100000001}, std::uint64_t{1} << 31,
        std::uint64_t{1} << 63, ~std::uint64_t{0}, ~std::uint64_t{0} - 7}) {
    expect_refused(file_of("{}", 0, length),
                   {std::to_string(length), "more than the format allows"});
  }
  expect_refused(file_of("{}", 0, 100000000), {"truncated"});
}

TEST(SafeTensorsMalformed, HeaderThatIsNotJson) {
  expect_refused(file_of(" {}"), {"does not start with '{'"});
  expect_refused(file_of("[]"), {"does not start with '{'"});
  expect_refused(file_of("{"), {"not JSON"});
  expect_refused(file_of("{}x"), {"not JSON"});
  expect_refused(file_of("{}{}"), {"not JSON"});
  expect_refused(file_of("{\"a\xff\":1}"), {"not JSON"});
  expect_refused(file_of("{\"a\":NaN}"), {"not JSON"});
  EXPECT_TRUE(decode_safetensors(file_of("{}      "), "x").tensors.empty());
}

TEST(SafeTensorsMalformed, DeepNesting) {
  expect_refused(file_of("{\"a\":" + std::string(100000, '[')), {"an array"});
  expect_refused(file_of("{\"a\":{\"shape\":" + std::string(100000, '[')),
                 {"an array"});
  std::string objects = "{\"a\":";
  for (int i = 0; i < 100000; ++i) objects += "{\"dtype\":";
  expect_refused(file_of(objects), {"an object"});
}

TEST(SafeTensorsMalformed, JsonOfTheWrongForm) {
  const auto refused = [](const std::string& header, const char* word) {
    expect_refused(file_of(header, 4), {word});
  };
  refused("{\"a\":1}", "a number");
  refused("{\"a\":null}", "null");
  refused("{\"a\":true}", "a boolean");
  refused("{\"a\":\"b\"}", "a string");
  refused("{\"a\":{}}", "lacks dtype, shape or data_offsets");
  refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", "lacks dtype");
  refused("{" + entry("a", "F32", "1", "[0,4]") + "}", "a number");
  refused("{" + entry("a", "F32", "[-1]", "[0,4]") + "}", "a negative number");
  refused("{" + entry("a", "F32", "[1.0]", "[0,4]") + "}", "a fraction");
  refused("{" + entry("a", "F32", "[1e400]", "[0,4]") + "}", "not JSON");
  refused("{" + entry("a", "F32", "[18446744073709551616]", "[0,4]") + "}",
          "beyond 2^64");
  refused("{" + entry("a", "F32", "[\"1\"]", "[0,4]") + "}", "a string");
  refused("{" + entry("a", "F32", "[1]", "[0,4,8]") + "}", "3 data_offsets");
  refused("{" + entry("a", "F32", "[1]", "[4]") + "}", "1 data_offsets");
  refused("{\"a\":{\"type\":\"F32\"}}", "unknown key 'type'");
  refused("{\"__metadata__\":{\"a\":1}}", "a number");
  refused("{\"__metadata__\":{\"a\":{}}}", "an object");
  refused("{\"__metadata__\":\"a\"}", "a string");
}

TEST(SafeTensorsMalformed, DuplicateKeysAndNames) {
  const std::string a = entry("a", "F32", "[1]", "[0,4]");
  expect_refused(file_of("{" + a + "," + a + "}", 4), {"'a' twice"});
  expect_refused(file_of("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F64\"}}"),
                 {"'dtype' twice"});
  expect_refused(file_of("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}"),
                 {"'k' twice"});
  expect_refused(file_of("{\"a\\u0000b\":{}}"), {"NUL"});
}

TEST(SafeTensorsMalformed, AnEmptyNameAndAMegabyteOneAreNames) {
  for (const std::string& name : {std::string(), std::string(1 << 20, 'n')}) {
    const SafeTensors file = decode_safetensors(
        file_of("{" + entry(name, "U8", "[1]", "[0,1]") + "}", 1), "x");
    EXPECT_EQ(file.tensors.at(0).first, name);
  }
}

TEST(SafeTensorsMalformed, Offsets) {
  const auto refused = [](const std::string& a, const std::string& b,
                          std::size_t data,
                          const std::vector<std::string>& words) {
    expect_refused(file_of("{" + entry("a", "U8", "[2]", a) + "," +
                               entry("b", "U8", "[3]", b) + "}",
                           data),
                   words);
  };
  refused("[0,2]", "[1,4]", 4, {"'b'", "overlap"});
  refused("[0,2]", "[3,6]", 6, {"gap of 1 bytes", "'b'"});
  refused("[1,3]", "[3,6]", 6, {"gap of 1 bytes", "'a'"});
  refused("[2,0]", "[2,5]", 5, {"'a'", "end before it begins"});
  refused("[0,2]", "[2,5]", 4, {"'b'", "ends at byte 5", "has 4"});
  refused("[0,2]", "[2,5]", 6, {"goes on for 1 bytes"});
  refused("[0,2]", "[2,18446744073709551615]", 5, {"'b'", "truncated"});
  refused("[2,4]", "[0,2]", 4, {"2 bytes for tensor 'b' of shape (3)"});
}

TEST(SafeTensorsMalformed, ShapesThatDoNotFit) {
  const auto refused = [](const std::string& dtype, const std::string& shape,
                          const std::string& offsets, std::size_t data,
                          const char* word) {
    expect_refused(file_of("{" + entry("a", dtype, shape, offsets) + "}", data),
                   {"'a'", word});
  };
  refused("F32", "[2]", "[0,4]", 4, "4 bytes");
  refused("F32", "[]", "[0,0]", 0, "0 bytes");
  refused("F64", "[2]", "[0,8]", 8, "8 bytes");
  refused("F32", "[4294967296,4294967296]", "[0,0]", 0, "impossible shape");
  refused("F32", "[9223372036854775808,2]", "[0,0]", 0, "a length of");
  refused("F32", "[0,9223372036854775808]", "[0,0]", 0, "a length of");
  refused("F64", "[2305843009213693952]", "[0,0]", 0, "");
  refused("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]", 4, "impossible shape");
  refused("F31", "[1]", "[0,4]", 4, "dtype F31");
  refused("f32", "[1]", "[0,4]", 4, "dtype f32");
}

TEST(SafeTensorsMalformed, EveryFlippedBitOfTheHeaderIsSurvived) {
  const Bytes whole = read_file(golden + "ours.safetensors");
  const std::size_t header = 8 + whole[0] + 256u * whole[1];
  int refused = 0;
  for (std::size_t at = 0; at < header; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes bytes = whole;
      bytes[at] ^= static_cast<std::uint8_t>(1 << bit);
      try {
        decode_safetensors(bytes, "x");
      } catch (const IoError&) {
        ++refused;
      }
    }
  }
  // What passes are other letters in a name or in the metadata.
  EXPECT_GT(refused, static_cast<int>(header) * 8 * 3 / 4);
}

TEST(SafeTensorsMalformed, AMissingFileIsNamed) {
  expect_error<IoError>([] { read_safetensors("/nowhere/x"); },
                        {"/nowhere/x", "No such file"});
}

}  // namespace
}  // namespace mjolnir::io
