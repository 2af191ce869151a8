#include "io/detail/protobuf.h"

#include "tests/support/files.h"

namespace mjolnir::io::detail {
namespace {

using mjolnir::testing::expect_error;
using ::testing::ElementsAre;

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

std::vector<ProtobufField> fields_of(const std::string& message) {
  std::vector<ProtobufField> fields;
  ProtobufReader reader(message, "it");
  for (ProtobufField field; reader.next(field);) fields.push_back(field);
  return fields;
}

// The examples of https://protobuf.dev/programming-guides/encoding.
TEST(Protobuf, WritesTheExamplesOfItsGuide) {
  ProtobufMessage number;
  number.integer(1, 150);
  EXPECT_EQ(number.bytes(), bytes({0x08, 0x96, 0x01}));
  ProtobufMessage text;
  text.text(2, "testing");
  EXPECT_EQ(text.bytes(), bytes({0x12, 0x07}) + "testing");
  ProtobufMessage outer;
  outer.message(3, number);
  EXPECT_EQ(outer.bytes(), bytes({0x1a, 0x03, 0x08, 0x96, 0x01}));
  ProtobufMessage negative;
  negative.integer(1, -2);
  EXPECT_EQ(negative.bytes(), bytes({0x08, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                     0xFF, 0xFF, 0xFF, 0x01}));
}

// 1.5 is 3FC00000 and 3FF8000000000000; 16 needs a key of two bytes.
TEST(Protobuf, WritesFixedNumbersLowestByteFirst) {
  ProtobufMessage message;
  message.float32(1, 1.5F);
  message.float64(2, 1.5);
  message.packed(16, std::vector<double>{1.5});
  message.packed(17, std::vector<double>{});
  EXPECT_EQ(message.bytes(), bytes({0x0D, 0, 0, 0xC0, 0x3F, 0x11, 0,    0,    0,
                                    0,    0, 0, 0xF8, 0x3F, 0x82, 0x01, 0x08, 0,
                                    0,    0, 0, 0,    0,    0xF8, 0x3F}));
}

TEST(Protobuf, ReadsWhatItWrites) {
  ProtobufMessage message;
  message.integer(1, std::numeric_limits<std::int64_t>::min());
  message.integer(2, std::numeric_limits<std::int64_t>::max());
  message.float32(3, -0.25F);
  message.float64(4, 1e300);
  message.text(5, "a text");
  message.packed(536870911, std::vector<double>{1, -2});
  const auto fields = fields_of(message.bytes());
  ASSERT_EQ(fields.size(), 6u);
  EXPECT_EQ(fields[0].integer(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(fields[1].integer(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(fields[2].float32(), -0.25F);
  EXPECT_EQ(fields[3].float64(), 1e300);
  EXPECT_EQ(fields[4].bytes, "a text");
  EXPECT_EQ(fields[5].number, 536870911u);
  EXPECT_THAT(fields[5].doubles(), ElementsAre(1, -2));
}

TEST(Protobuf, RefusesWhatIsNoMessage) {
  const auto refuse = [](const std::string& message, const char* reason) {
    expect_error<IoError>([&] { fields_of(message); }, {"it", reason});
  };
  refuse(bytes({0x08}), "byte 1: cut off in a number");
  refuse(bytes({0x08, 0x96}), "cut off in a number");
  refuse(bytes({0x12, 0x05, 'a'}), "expected 5 more bytes, got 1");
  refuse(bytes({0x0D, 0, 0, 0}), "expected 4 more bytes, got 3");
  refuse(bytes({0x11, 0}), "expected 8 more bytes, got 1");
  refuse(bytes({0x0B}), "there is no wire type 3");
  refuse(bytes({0x00, 0x00}), "there is no field number 0");
  // 2^64, and a number that never ends.
  const std::string nines =
      bytes({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF});
  refuse(bytes({0x08}) + nines + bytes({0x02}), "more than 64 bits");
  refuse(bytes({0x08}) + nines + nines, "more than 64 bits");
  // A length that would wrap around.
  refuse(bytes({0x12}) + nines + bytes({0x01}), "more bytes, got 0");
}

TEST(Protobuf, RefusesARowOfDoublesOfAnOddLength) {
  const std::string message = bytes({0x0A, 0x03, 1, 2, 3});
  expect_error<IoError>([&] { fields_of(message).at(0).doubles(); },
                        {"field 1 is not a row of doubles"});
}

}  // namespace
}  // namespace mjolnir::io::detail
