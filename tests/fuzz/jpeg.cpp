// Any bytes either are a JPEG image or throw IoError.

#include <mjolnir/io/jpeg.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  try {
    mjolnir::io::decode_jpeg({data, data + size}, "fuzz", 1 << 16);
  } catch (const mjolnir::IoError&) {
  }
  return 0;
}
