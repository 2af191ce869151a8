#include <mjolnir/io/npy.h>

#include <cstdint>

#include "tests/support/files.h"

namespace mjolnir::io {
namespace {

using mjolnir::testing::bytes_of;
using mjolnir::testing::expect_error;
using mjolnir::testing::plant;
using mjolnir::testing::TempDirectory;

const std::string golden = MJOLNIR_SOURCE_DIR "/tests/io/golden/";

// What golden/make.py puts at the i-th element in C order.
std::int64_t value(std::int64_t i) { return 7 * i % 23 - 5; }

template <class T>
std::vector<T> values(std::int64_t count) {
  std::vector<T> out;
  for (std::int64_t i = 0; i < count; ++i) {
    out.push_back(static_cast<T>(value(i)));
  }
  return out;
}

template <class T>
void expect_golden(const std::string& file, const Shape& shape) {
  SCOPED_TRACE(file);
  const Tensor x = read_npy(golden + file + ".npy");
  EXPECT_EQ(x.shape(), shape);
  EXPECT_EQ(x.layout(), Layout::RowMajor);
  EXPECT_EQ(x.to_vector<T>(), values<T>(shape.numel()));
}

TEST(Npy, ReadsWhatNumpyWrote) {
  expect_golden<float>("f4", {2, 3, 5});
  expect_golden<double>("f8_scalar", {});
  expect_golden<std::int64_t>("i8_vector", {7});
  expect_golden<std::uint8_t>("u1_rank5", {1, 2, 3, 2, 2});
  expect_golden<float>("f4_empty", {0, 4});
}

TEST(Npy, TurnsFortranOrderAndBigEndianAround) {
  expect_golden<double>("f8_fortran", {2, 3, 4});
  expect_golden<std::int64_t>("i8_fortran_empty", {3, 0});
  expect_golden<float>("f4_big_endian", {3, 4});
  expect_golden<double>("f8_big_endian_fortran", {3, 4});
  expect_golden<std::int64_t>("i8_big_endian", {5});
}

TEST(Npy, WidensIntegersAndBooleans) {
  expect_golden<std::int64_t>("i4", {3, 4});
  const Tensor flags = read_npy(golden + "b1.npy");
  ASSERT_EQ(flags.dtype(), DType::U8);
  const auto seen = flags.to_vector<std::uint8_t>();
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i], value(static_cast<std::int64_t>(i)) > 0 ? 1 : 0);
  }
}

TEST(Npy, ReadsVersions2And3) {
  expect_golden<float>("f4_version2", {2, 3});
  expect_golden<float>("f4_version3", {2, 3});
}

TEST(Npy, RefusesTheDtypesItCannotHold) {
  const auto refused = [](const char* file,
                          const std::vector<std::string>& words) {
    const std::string path = golden + file;
    std::vector<std::string> all = words;
    all.push_back(path);
    expect_error<IoError>([&] { read_npy(path); }, all);
  };
  refused("object.npy", {"Python objects"});
  refused("structured.npy", {"structured dtype"});
  refused("f2.npy", {"<f2", "f4, f8"});
  refused("c8.npy", {"<c8"});
}

// Byte for byte what numpy.save gives.
TEST(Npy, WritesWhatNumpyWrites) {
  const TempDirectory folder;
  const auto expect_same = [&](const std::string& file, const Tensor& x) {
    write_npy(folder / file, x);
    EXPECT_EQ(read_file(folder / file), read_file(golden + file)) << file;
  };
  expect_same("f4.npy", Tensor::from(values<float>(30), {2, 3, 5}));
  expect_same("f8_scalar.npy", Tensor::from(values<double>(1), Shape()));
  expect_same("i8_vector.npy", Tensor::from(values<std::int64_t>(7), {7}));
  expect_same("u1_rank5.npy",
              Tensor::from(values<std::uint8_t>(24), {1, 2, 3, 2, 2}));
  expect_same("f4_empty.npy", Tensor::from(std::vector<float>(), {0, 4}));
}

TEST(Npy, WritesInLogicalOrder) {
  const TempDirectory folder;
  const Tensor x = Tensor::from(values<float>(2 * 3 * 4 * 5), {2, 3, 4, 5});
  write_npy(folder / "row.npy", x);
  write_npy(folder / "last.npy", x.to(Layout::ChannelsLast));
  EXPECT_EQ(read_file(folder / "row.npy"), read_file(folder / "last.npy"));
  const Shape deep = {1, 2, 1, 3, 1, 2, 1, 2};
  write_npy(folder / "deep.npy", Tensor::from(values<double>(24), deep));
  EXPECT_EQ(read_npy(folder / "deep.npy").shape(), deep);
}

TEST(Npy, RefusesAnUndefinedTensor) {
  expect_error<ValueError>([] { write_npy("x.npy", Tensor()); },
                           {"undefined", "x.npy"});
}

// An NPY file with a header of our own choice.
Bytes file_of(const std::string& header, const Bytes& data,
              std::uint8_t version = 1) {
  Bytes out = {0x93, 'N', 'U', 'M', 'P', 'Y', version, 0};
  std::size_t length = header.size();
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) {
    out.push_back(static_cast<std::uint8_t>(length & 255));
    length >>= 8;
  }
  for (const char c : header) out.push_back(static_cast<std::uint8_t>(c));
  for (const std::uint8_t b : data) out.push_back(b);
  return out;
}

void expect_refused(const Bytes& bytes, const std::string& word) {
  expect_error<IoError>([&] { decode_npy(bytes, "some.npy"); },
                        {"[npy]", "some.npy", word});
}

TEST(Npy, DoesNotRelyOnTheFormOfTheHeader) {
  const Bytes data = {1, 2, 3};
  for (const char* header :
       {"{'shape': (3,), 'fortran_order': False, 'descr': '|u1'}",
        "{\"descr\":\"|u1\",\"fortran_order\":True,\"shape\":(3)}",
        "  { 'fortran_order' : False , 'shape' : ( 3 , ) , "
        "'descr' : '|u1' , } \n"}) {
    EXPECT_EQ(decode_npy(file_of(header, data), "x").to_vector<std::uint8_t>(),
              data);
  }
}

TEST(Npy, RefusesABadHeader) {
  const auto refused = [](const std::string& header, const char* word) {
    expect_refused(file_of(header, {1, 2, 3}), word);
  };
  refused("", "no '{'");
  refused("{'descr': '|u1', 'fortran_order': False}", "no key 'shape'");
  refused("{'descr': '|u1', 'shape': (3,)}", "no key 'fortran_order'");
  refused("{'fortran_order': False, 'shape': (3,)}", "no key 'descr'");
  refused("{'descr': '|u1', 'descr': '|u1'}", "'descr' twice");
  refused("{'descr': '|u1', 'pickle': '|u1'}", "unknown key 'pickle'");
  refused("{'descr': '|u1", "a string without an end");
  refused("{'descr': 3}", "no '\"'");
  refused("{'fortran_order': 1}", "neither True nor False");
  refused("{'shape': 3}", "no '('");
  refused("{'shape': (-3,)}", "not a tuple of lengths");
  refused("{'shape': (3.0,)}", "no ')'");
  refused("{'shape': (99999999999999999999,)}", "above 2^63");
  refused("{'descr': '|u1', 'fortran_order': False, 'shape': (3,)} x",
          "something after");
  refused("{'descr': '|u1', 'fortran_order': False, 'shape': (3,)", "no '}'");
}

std::string header_of(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr +
         "', 'fortran_order': False, 'shape': " + shape + "}";
}

TEST(Npy, RefusesAShapeThatDoesNotFitTheFile) {
  const Bytes data = {1, 2, 3};
  expect_refused(file_of(header_of("|u1", "(4,)"), data), "3 bytes");
  expect_refused(file_of(header_of("|u1", "(2,)"), data), "3 bytes");
  expect_refused(file_of(header_of("<f4", "(3,)"), data), "3 bytes");
  expect_refused(file_of(header_of("|u1", "()"), {}), "0 bytes");
  expect_refused(file_of(header_of("<f8", "(4294967296, 4294967296)"), data),
                 "impossible shape");
  // 2^61 elements of 8 bytes are 2^64 bytes.
  expect_refused(file_of(header_of("<f8", "(2305843009213693952,)"), {}), "");
  expect_refused(file_of(header_of("|u1", "(1,1,1,1,1,1,1,1,3)"), data),
                 "impossible shape");
}

TEST(Npy, RefusesOtherFiles) {
  expect_refused({}, "not an NPY file");
  expect_refused(bytes_of("PK\3\4 a zip file"), "not an NPY file");
  expect_refused(file_of(header_of("|u1", "(1,)"), {1}, 4), "format version 4");
  expect_refused(file_of(header_of("|u1", "(1,)"), {1}, 0), "format version 0");
}

TEST(Npy, RefusesAHeaderOverTenThousandBytes) {
  std::string header = header_of("|u1", "(1,)");
  header.resize(10000, ' ');
  EXPECT_EQ(decode_npy(file_of(header, {1}), "x").numel(), 1);
  header += ' ';
  expect_refused(file_of(header, {1}), "header of 10001 bytes");
  Bytes liar = file_of(header_of("|u1", "(1,)"), {1}, 2);
  for (int i = 8; i < 12; ++i) liar[static_cast<std::size_t>(i)] = 0xff;
  expect_refused(liar, "header of 4294967295 bytes");
}

TEST(Npy, RefusesEveryTruncation) {
  const Bytes whole = read_file(golden + "f4.npy");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    expect_refused(
        Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)),
        "");
  }
}

TEST(Npy, AMissingFileIsNamed) {
  expect_error<IoError>([] { read_npy("/nowhere/x.npy"); },
                        {"/nowhere/x.npy", "No such file"});
}

}  // namespace
}  // namespace mjolnir::io
