#include <mjolnir/io/event_log.h>

#include <cmath>
#include <limits>

#include "tests/support/files.h"

namespace mjolnir::io {
namespace {

using mjolnir::testing::expect_error;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Made by TensorBoard's own code; see tests/io/golden/make_events.py.
Bytes golden() {
  return read_file(MJOLNIR_SOURCE_DIR "/tests/io/golden/run.tfevents");
}

// Where its records begin, from a dump.
const std::vector<std::size_t> starts = {0x00, 0x28,  0x47,  0x77,  0xA5,
                                         0xD6, 0x10B, 0x1A6, 0x1D0, 0x208};

TEST(EventLog, ReadsWhatTensorBoardWrote) {
  const EventLog log = decode_events(golden(), "golden");
  EXPECT_FALSE(log.torn);
  EXPECT_EQ(log.whole_bytes, 0x208u);
  ASSERT_EQ(log.records.size(), 9u);
  EXPECT_EQ(log.records[0].file_version, "brain.Event:2");
  EXPECT_EQ(log.records[0].seconds, 1500000000.25);
  EXPECT_TRUE(log.records[1].start);
  EXPECT_EQ(log.records[1].step, 7);
  const auto scalar = [&log](std::size_t i) {
    const EventRecord& record = log.records[i];
    EXPECT_FALSE(record.start);
    EXPECT_EQ(record.values.at(0).tag, "train/loss");
    EXPECT_FALSE(record.values.at(0).histogram.has_value());
    return record.values.at(0).scalar.value();
  };
  EXPECT_EQ(scalar(2), 0.1F);
  EXPECT_EQ(scalar(3), 0.0F);
  EXPECT_TRUE(std::isnan(scalar(4)));
  EXPECT_EQ(scalar(5), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(log.records[5].step, std::int64_t{1} << 40);
  const Histogram h = log.records[6].values.at(0).histogram.value();
  EXPECT_EQ(h.least, -2);
  EXPECT_EQ(h.most, 2);
  EXPECT_EQ(h.count, 5);
  EXPECT_EQ(h.sum, 3);
  EXPECT_EQ(h.sum_squares, 13);
  EXPECT_THAT(h.limits, ElementsAre(-1, 0, 1, 2));
  EXPECT_THAT(h.counts, ElementsAre(1, 1, 1, 2));
  EXPECT_THAT(log.records[7].values.at(0).histogram.value().limits, IsEmpty());
  const EventImage image = log.records[8].values.at(0).image.value();
  EXPECT_EQ(image.height, 2);
  EXPECT_EQ(image.width, 3);
  EXPECT_EQ(image.channels, 1);
  EXPECT_EQ(image.png, (Bytes{0x89, 'P', 'N', 'G', 0, 0xFF}));
}

TEST(EventLog, ATornEndIsNoError) {
  const Bytes whole = golden();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(),
                    whole.begin() + static_cast<std::ptrdiff_t>(size));
    const EventLog log = decode_events(cut, "cut");
    std::size_t records = 0;
    while (starts[records + 1] <= size) ++records;
    EXPECT_EQ(log.records.size(), records) << size;
    EXPECT_EQ(log.whole_bytes, starts[records]) << size;
    EXPECT_EQ(log.torn, size != starts[records]) << size;
  }
}

TEST(EventLog, NoticesEveryBitThatFlips) {
  const Bytes whole = golden();
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    Bytes damaged = whole;
    damaged[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_THROW(decode_events(damaged, "x"), IoError) << bit;
  }
}

TEST(EventLog, SaysWhereAChecksumIsWrong) {
  Bytes damaged = golden();
  damaged[0x47 + 20] ^= 1;
  expect_error<IoError>(
      [&] { decode_events(damaged, "some.tfevents"); },
      {"some.tfevents", "record 2 at byte 71", "checksum of its content"});
  damaged = golden();
  damaged[0x28] ^= 1;
  expect_error<IoError>(
      [&] { decode_events(damaged, "some.tfevents"); },
      {"some.tfevents", "record 1 at byte 40", "checksum of its length"});
}

TEST(EventLog, AFileThatIsNotThereIsNamed) {
  expect_error<IoError>([] { read_events("/no/such.tfevents"); },
                        {"/no/such.tfevents"});
}

}  // namespace
}  // namespace mjolnir::io
