#include "io/detail/protobuf.h"

#include <cstring>
#include <utility>

#include <mjolnir/core/error.h>

#include "io/detail/little_endian.h"

namespace mjolnir::io::detail {
namespace {

const std::uint8_t* raw(std::string_view bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

template <class To, class From>
To bits_as(From bits) {
  static_assert(sizeof(To) == sizeof(From));
  To value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

void ProtobufMessage::varint(std::uint64_t value) {
  while (value >= 128) {
    bytes_ += static_cast<char>((value & 127) | 128);
    value >>= 7;
  }
  bytes_ += static_cast<char>(value);
}

void ProtobufMessage::key(std::uint32_t field, WireType type) {
  varint((std::uint64_t{field} << 3) | static_cast<std::uint64_t>(type));
}

template <class T>
void ProtobufMessage::fixed(T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  bytes_.append(bytes, sizeof value);
}

void ProtobufMessage::integer(std::uint32_t field, std::int64_t value) {
  key(field, WireType::Varint);
  varint(static_cast<std::uint64_t>(value));
}

void ProtobufMessage::float32(std::uint32_t field, float value) {
  key(field, WireType::Fixed32);
  fixed(value);
}

void ProtobufMessage::float64(std::uint32_t field, double value) {
  key(field, WireType::Fixed64);
  fixed(value);
}

void ProtobufMessage::text(std::uint32_t field, std::string_view value) {
  key(field, WireType::Bytes);
  varint(value.size());
  bytes_ += value;
}

void ProtobufMessage::message(std::uint32_t field,
                              const ProtobufMessage& value) {
  text(field, value.bytes_);
}

void ProtobufMessage::packed(std::uint32_t field,
                             const std::vector<double>& values) {
  if (values.empty()) return;
  key(field, WireType::Bytes);
  varint(values.size() * sizeof(double));
  for (const double value : values) fixed(value);
}

float ProtobufField::float32() const noexcept {
  return bits_as<float>(static_cast<std::uint32_t>(bits));
}

double ProtobufField::float64() const noexcept { return bits_as<double>(bits); }

std::vector<double> ProtobufField::doubles() const {
  if (type == WireType::Fixed64) return {float64()};
  if (type != WireType::Bytes || bytes.size() % sizeof(double) != 0) {
    throw IoError("[protobuf] field " + std::to_string(number) +
                  " is not a row of doubles");
  }
  std::vector<double> values(bytes.size() / sizeof(double));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = load<double>(raw(bytes) + i * sizeof(double));
  }
  return values;
}

ProtobufReader::ProtobufReader(std::string_view bytes, std::string what)
    : bytes_(bytes), what_(std::move(what)) {}

void ProtobufReader::fail(const std::string& reason) const {
  throw IoError("[protobuf] " + what_ + ", byte " + std::to_string(at_) + ": " +
                reason);
}

std::uint64_t ProtobufReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (at_ == bytes_.size()) fail("cut off in a number");
    const auto byte = static_cast<std::uint8_t>(bytes_[at_++]);
    if (shift == 63 && byte > 1) break;
    value |= std::uint64_t{byte & 127U} << shift;
    if (byte < 128) return value;
  }
  fail("a number of more than 64 bits");
}

std::string_view ProtobufReader::take(std::uint64_t size) {
  if (size > bytes_.size() - at_) {
    fail("expected " + std::to_string(size) + " more bytes, got " +
         std::to_string(bytes_.size() - at_));
  }
  const std::string_view part =
      bytes_.substr(at_, static_cast<std::size_t>(size));
  at_ += static_cast<std::size_t>(size);
  return part;
}

bool ProtobufReader::next(ProtobufField& field) {
  if (at_ == bytes_.size()) return false;
  const std::uint64_t key = varint();
  field = {};
  if (key >> 3 == 0 || key >> 3 > 0x1FFFFFFF) {
    fail("there is no field number " + std::to_string(key >> 3));
  }
  field.number = static_cast<std::uint32_t>(key >> 3);
  switch (key & 7) {
    case 0:
      field.bits = varint();
      break;
    case 1:
      field.type = WireType::Fixed64;
      field.bits = load<std::uint64_t>(raw(take(8)));
      break;
    case 2:
      field.type = WireType::Bytes;
      field.bytes = take(varint());
      break;
    case 5:
      field.type = WireType::Fixed32;
      field.bits = load<std::uint32_t>(raw(take(4)));
      break;
    default:
      fail("there is no wire type " + std::to_string(key & 7));
  }
  return true;
}

}  // namespace mjolnir::io::detail
