// Any bytes either are an IDX file or throw IoError.

#include <mjolnir/data/idx.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  try {
    mjolnir::data::decode_idx({data, data + size}, "fuzz");
  } catch (const mjolnir::IoError&) {
  }
  return 0;
}
