// Any bytes either are a PNG image or throw IoError; what was read can be
// written, and is then read the same.

#include <mjolnir/io/png.h>

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace mjolnir;
  try {
    const Tensor x = io::decode_png({data, data + size}, "fuzz", 1 << 16);
    const Tensor y = io::decode_png(io::encode_png(x), "fuzz");
    if (x.to_vector<std::uint8_t>() != y.to_vector<std::uint8_t>()) {
      std::abort();
    }
  } catch (const IoError&) {
  }
  return 0;
}
