// Any bytes either are an event file or throw IoError. A fuzzer does not guess
// checksums, so those of its input are put right unless its first byte says
// otherwise.

#include <mjolnir/io/event_log.h>

#include <cstring>

namespace {

// CRC-32C a bit at a time, with the mask of event files.
std::uint32_t masked_sum(const std::uint8_t* data, std::size_t size) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
    }
  }
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

void put_right(mjolnir::io::Bytes& bytes) {
  for (std::size_t at = 0; bytes.size() - at >= 16;) {
    const std::size_t room = bytes.size() - at - 16;
    std::uint64_t length = 0;
    std::memcpy(&length, &bytes[at], sizeof length);
    if (length > room) {
      length %= room + 1;
      std::memcpy(&bytes[at], &length, sizeof length);
    }
    const std::uint32_t head = masked_sum(&bytes[at], sizeof length);
    std::memcpy(&bytes[at + 8], &head, sizeof head);
    const std::uint32_t tail = masked_sum(&bytes[at + 12], length);
    std::memcpy(&bytes[at + 12 + length], &tail, sizeof tail);
    at += 16 + length;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  mjolnir::io::Bytes bytes(data + 1, data + size);
  if (data[0] < 192) put_right(bytes);
  try {
    const mjolnir::io::EventLog log = mjolnir::io::decode_events(bytes, "fuzz");
    if (log.whole_bytes > bytes.size() ||
        log.torn != (log.whole_bytes < bytes.size())) {
      __builtin_trap();
    }
  } catch (const mjolnir::IoError&) {
  }
  return 0;
}
