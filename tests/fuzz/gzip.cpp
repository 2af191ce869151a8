// Any bytes either are gzip or throw IoError, within the limit on the result.

#include <mjolnir/io/gzip.h>

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  constexpr std::size_t limit = 1 << 16;
  try {
    const auto bytes = mjolnir::io::gunzip({data, data + size}, "fuzz", limit);
    if (bytes.size() > limit) std::abort();
  } catch (const mjolnir::IoError&) {
  }
  return 0;
}
