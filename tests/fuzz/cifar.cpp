// Any bytes either are CIFAR records or throw IoError. A record is longer than
// what a fuzzer likes to write, so the input is repeated to a whole number of
// them unless its first byte says otherwise.

#include <mjolnir/data/cifar.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  const auto format = static_cast<mjolnir::data::CifarFormat>(data[0] % 3);
  const bool whole = data[0] < 192;
  mjolnir::io::Bytes bytes(data + 1, data + size);
  if (whole && size > 1) {
    const std::size_t length = data[0] % 3 == 0 ? 3073 : 3074;
    for (std::size_t i = 0; bytes.size() % length != 0; ++i) {
      bytes.push_back(data[1 + i % (size - 1)]);
    }
  }
  try {
    mjolnir::data::decode_cifar({bytes}, {"fuzz"}, format);
  } catch (const mjolnir::IoError&) {
  }
  return 0;
}
