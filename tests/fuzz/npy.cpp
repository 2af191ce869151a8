// Any bytes either are an NPY file or throw IoError.

#include <mjolnir/io/npy.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  try {
    mjolnir::io::decode_npy({data, data + size}, "fuzz");
  } catch (const mjolnir::IoError&) {
  }
  return 0;
}
