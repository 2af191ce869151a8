#include "train/checkpoint/fingerprint.h"

#include <zlib.h>

#include <cstdint>

namespace mjolnir::train {

std::string fingerprint(const data::Dataset& data) {
  const auto pixels =
      static_cast<std::size_t>(data.channels() * data.height() * data.width());
  uLong crc = crc32_z(0, nullptr, 0);
  for (std::int64_t i = 0; i < data.size(); ++i) {
    const auto label = static_cast<std::uint32_t>(data.label(i));
    const Bytef bytes[] = {static_cast<Bytef>(label),
                           static_cast<Bytef>(label >> 8U)};
    crc = crc32_z(crc, bytes, sizeof bytes);
    crc = crc32_z(crc, data.pixels(i), pixels);
  }
  return data.name() + ", " + std::to_string(data.size()) + " images of " +
         std::to_string(data.channels()) + "x" + std::to_string(data.height()) +
         "x" + std::to_string(data.width()) + " in " +
         std::to_string(data.classes()) + " classes, CRC-32 " +
         std::to_string(crc);
}

}  // namespace mjolnir::train
