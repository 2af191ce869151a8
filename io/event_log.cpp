#include <mjolnir/io/event_log.h>

#include <utility>

#include "io/detail/crc32c.h"
#include "io/detail/event_record.h"
#include "io/detail/little_endian.h"

namespace mjolnir::io {
namespace {

using detail::ProtobufField;
using detail::ProtobufReader;
using detail::WireType;

constexpr std::size_t head_size = 12;  // length and its checksum
constexpr std::size_t tail_size = 4;   // checksum of the event

bool is(const ProtobufField& field, std::uint32_t number, WireType type) {
  return field.number == number && field.type == type;
}

// Field numbers as in io/detail/event_record.h.
Histogram histogram_from(std::string_view bytes, const std::string& what) {
  Histogram h;
  ProtobufReader reader(bytes, what);
  double* numbers[] = {&h.least, &h.most, &h.count, &h.sum, &h.sum_squares};
  for (ProtobufField field; reader.next(field);) {
    if (field.number <= 5 && field.type == WireType::Fixed64) {
      *numbers[field.number - 1] = field.float64();
    } else if (field.number == 6 || field.number == 7) {
      const std::vector<double> part = field.doubles();
      std::vector<double>& all = field.number == 6 ? h.limits : h.counts;
      all.insert(all.end(), part.begin(), part.end());
    }
  }
  if (h.limits.size() != h.counts.size()) {
    throw IoError("[events] " + what + " has " +
                  std::to_string(h.limits.size()) + " limits for " +
                  std::to_string(h.counts.size()) + " buckets");
  }
  return h;
}

EventImage image_from(std::string_view bytes, const std::string& what) {
  EventImage image;
  ProtobufReader reader(bytes, what);
  for (ProtobufField field; reader.next(field);) {
    if (is(field, 1, WireType::Varint)) image.height = field.integer();
    if (is(field, 2, WireType::Varint)) image.width = field.integer();
    if (is(field, 3, WireType::Varint)) image.channels = field.integer();
    if (is(field, 4, WireType::Bytes)) {
      image.png.assign(field.bytes.begin(), field.bytes.end());
    }
  }
  return image;
}

EventValue value_from(std::string_view bytes, const std::string& what) {
  EventValue value;
  ProtobufReader reader(bytes, what);
  for (ProtobufField field; reader.next(field);) {
    if (is(field, 1, WireType::Bytes)) value.tag = field.bytes;
    if (is(field, 2, WireType::Fixed32)) value.scalar = field.float32();
    if (is(field, 4, WireType::Bytes)) {
      value.image = image_from(field.bytes, what);
    }
    if (is(field, 5, WireType::Bytes)) {
      value.histogram = histogram_from(field.bytes, what);
    }
  }
  return value;
}

EventRecord record_from(std::string_view bytes, const std::string& what) {
  EventRecord record;
  ProtobufReader reader(bytes, what);
  for (ProtobufField field; reader.next(field);) {
    if (is(field, 1, WireType::Fixed64)) record.seconds = field.float64();
    if (is(field, 2, WireType::Varint)) record.step = field.integer();
    if (is(field, 3, WireType::Bytes)) record.file_version = field.bytes;
    if (is(field, 5, WireType::Bytes)) {
      ProtobufReader summary(field.bytes, what);
      for (ProtobufField value; summary.next(value);) {
        if (!is(value, 1, WireType::Bytes)) continue;
        record.values.push_back(value_from(value.bytes, what));
      }
    }
    if (is(field, 7, WireType::Bytes)) {
      ProtobufReader log(field.bytes, what);
      for (ProtobufField status; log.next(status);) {
        if (is(status, 1, WireType::Varint)) record.start = status.bits == 1;
      }
    }
  }
  return record;
}

}  // namespace

EventLog decode_events(const Bytes& bytes, const std::string& name) {
  EventLog log;
  while (log.whole_bytes < bytes.size()) {
    const std::uint8_t* at = bytes.data() + log.whole_bytes;
    const std::size_t left = bytes.size() - log.whole_bytes;
    const std::string what = "'" + name + "', record " +
                             std::to_string(log.records.size()) + " at byte " +
                             std::to_string(log.whole_bytes);
    const auto check = [&what](const char* part, const std::uint8_t* data,
                               std::size_t size) {
      if (detail::load<std::uint32_t>(data + size) !=
          detail::masked_crc32c(data, size)) {
        throw IoError("[events] " + what + ": the checksum of its " + part +
                      " is wrong");
      }
    };
    log.torn = left < head_size;
    if (log.torn) break;
    check("length", at, sizeof(std::uint64_t));
    const auto length = detail::load<std::uint64_t>(at);
    const std::size_t room = left - head_size;
    log.torn = room < tail_size || length > room - tail_size;
    if (log.torn) break;
    const auto size = static_cast<std::size_t>(length);
    check("content", at + head_size, size);
    log.records.push_back(record_from(
        {reinterpret_cast<const char*>(at) + head_size, size}, what));
    log.whole_bytes += head_size + size + tail_size;
  }
  return log;
}

EventLog read_events(const std::string& path) {
  return decode_events(read_file(path), path);
}

}  // namespace mjolnir::io
