// Any bytes either are a safetensors file or throw IoError.

#include <mjolnir/io/safetensors.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  try {
    mjolnir::io::decode_safetensors({data, data + size}, "fuzz");
  } catch (const mjolnir::IoError&) {
  }
  return 0;
}
