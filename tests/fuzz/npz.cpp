// Any bytes either are an NPZ archive or throw IoError, within the limit on
// what they unpack to.

#include <mjolnir/io/npz.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  try {
    mjolnir::io::decode_npz({data, data + size}, "fuzz", 1 << 20);
  } catch (const mjolnir::IoError&) {
  }
  return 0;
}
