#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/**
 * The wire format of protocol buffers (https://protobuf.dev/programming-guides/
 * encoding): a message is a row of fields, each a number with a wire type and a
 * value. Event files and ONNX are such messages.
 */
namespace mjolnir::io::detail {

/** What follows a field's number. */
enum class WireType : std::uint8_t {
  Varint = 0,   ///< Seven bits a byte, the lowest first.
  Fixed64 = 1,  ///< Eight bytes, little-endian.
  Bytes = 2,    ///< A length and as many bytes: text, messages, packed numbers.
  Fixed32 = 5   ///< Four bytes, little-endian.
};

/**
 * A message that is written field by field, in the order of the calls; in the
 * order of their numbers it has the bytes that protobuf itself writes. A field
 * with its default value is written too: proto3 leaves those out but in a
 * oneof, and so must the caller.
 */
class ProtobufMessage {
 public:
  /** int32, int64, uint64, bool, enum; negative ones take ten bytes. */
  void integer(std::uint32_t field, std::int64_t value);
  void float32(std::uint32_t field, float value);
  void float64(std::uint32_t field, double value);
  /** string, bytes. */
  void text(std::uint32_t field, std::string_view value);
  void message(std::uint32_t field, const ProtobufMessage& value);
  /** Repeated numbers, packed into one field; none: nothing. */
  void packed(std::uint32_t field, const std::vector<double>& values);

  const std::string& bytes() const noexcept { return bytes_; }

 private:
  void key(std::uint32_t field, WireType type);
  void varint(std::uint64_t value);
  template <class T>
  void fixed(T value);

  std::string bytes_;
};

/** A field as it was read; which of the two holds its value is up to `type`. */
struct ProtobufField {
  std::uint32_t number = 0;
  WireType type = WireType::Varint;
  std::uint64_t bits = 0;  ///< Of a varint, Fixed64 or Fixed32.
  std::string_view bytes;  ///< Of Bytes; points into what is read.

  std::int64_t integer() const noexcept {
    return static_cast<std::int64_t>(bits);
  }
  float float32() const noexcept;
  double float64() const noexcept;
  /** The doubles of a packed field, or the single one of an unpacked one.
   * Throws IoError for a length that is not a multiple of eight. */
  std::vector<double> doubles() const;
};

/**
 * Reads the fields of a message one after another. Every call throws IoError
 * for what is no message; the text says where, and names `what`.
 */
class ProtobufReader {
 public:
  /** `bytes` must outlive the reader and its fields. */
  ProtobufReader(std::string_view bytes, std::string what);

  /** The next field; false at the end. */
  bool next(ProtobufField& field);

 private:
  std::uint64_t varint();
  std::string_view take(std::uint64_t size);
  [[noreturn]] void fail(const std::string& reason) const;

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::string what_;
};

}  // namespace mjolnir::io::detail
