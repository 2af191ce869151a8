#include "io/detail/event_record.h"

#include "io/detail/crc32c.h"

namespace mjolnir::io::detail {
namespace {

template <class T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// wall_time and step, which stand before everything else of an event.
ProtobufMessage event_at(double seconds, std::int64_t step) {
  ProtobufMessage event;
  if (seconds != 0) event.float64(1, seconds);
  if (step != 0) event.integer(2, step);
  return event;
}

void number(ProtobufMessage& message, std::uint32_t field, double value) {
  if (value != 0) message.float64(field, value);
}

ProtobufMessage value_with(const std::string& tag) {
  ProtobufMessage value;
  if (!tag.empty()) value.text(1, tag);
  return value;
}

}  // namespace

std::string framed(const std::string& event) {
  std::string bytes;
  bytes.reserve(event.size() + 16);
  append(bytes, std::uint64_t{event.size()});
  append(bytes, masked_crc32c(bytes.data(), bytes.size()));
  bytes += event;
  append(bytes, masked_crc32c(event.data(), event.size()));
  return bytes;
}

std::string version_event(double seconds) {
  ProtobufMessage event = event_at(seconds, 0);
  event.text(3, "brain.Event:2");
  return event.bytes();
}

std::string start_event(double seconds, std::int64_t step) {
  ProtobufMessage log;
  log.integer(1, 1);  // status = START
  ProtobufMessage event = event_at(seconds, step);
  event.message(7, log);
  return event.bytes();
}

std::string summary_event(double seconds, std::int64_t step,
                          const ProtobufMessage& value) {
  ProtobufMessage summary;
  summary.message(1, value);
  ProtobufMessage event = event_at(seconds, step);
  event.message(5, summary);
  return event.bytes();
}

ProtobufMessage scalar_value(const std::string& tag, double value) {
  ProtobufMessage message = value_with(tag);
  message.float32(2, static_cast<float>(value));
  return message;
}

// HistogramProto: 1 min, 2 max, 3 num, 4 sum, 5 sum_squares, 6 bucket_limit,
// 7 bucket.
ProtobufMessage histogram_value(const std::string& tag, const Histogram& h) {
  ProtobufMessage histogram;
  number(histogram, 1, h.least);
  number(histogram, 2, h.most);
  number(histogram, 3, h.count);
  number(histogram, 4, h.sum);
  number(histogram, 5, h.sum_squares);
  histogram.packed(6, h.limits);
  histogram.packed(7, h.counts);
  ProtobufMessage message = value_with(tag);
  message.message(5, histogram);
  return message;
}

// Image: 1 height, 2 width, 3 colorspace, 4 encoded_image_string.
ProtobufMessage image_value(const std::string& tag, const EventImage& image) {
  ProtobufMessage picture;
  picture.integer(1, image.height);
  picture.integer(2, image.width);
  picture.integer(3, image.channels);
  picture.text(
      4, {reinterpret_cast<const char*>(image.png.data()), image.png.size()});
  ProtobufMessage message = value_with(tag);
  message.message(4, picture);
  return message;
}

}  // namespace mjolnir::io::detail
