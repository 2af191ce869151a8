#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/io/file.h>

#include "core/detail/dispatch.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "files are little-endian, and are copied as they are");

namespace mjolnir::io::detail {

/** The value whose little-endian bytes start at `from`. */
template <class T>
T load(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/** Appends the elements of a tensor in logical order; File has
 * write(const void*, size), as AtomicFile has. */
template <class File>
void write_elements(File& file, const Tensor& tensor) {
  if (tensor.numel() == 0) return;
  const std::size_t bytes =
      static_cast<std::size_t>(tensor.numel()) * size_of(tensor.dtype());
  dispatch_any(tensor.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if (tensor.layout() == Layout::RowMajor) {
      file.write(tensor.data<T>(), bytes);
    } else {
      file.write(tensor.to_vector<T>().data(), bytes);
    }
  });
}

/** The same, at the end of bytes in memory. */
inline void append_elements(Bytes& bytes, const Tensor& tensor) {
  dispatch_any(tensor.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const std::vector<T> elements = tensor.to_vector<T>();
    const auto* from = reinterpret_cast<const std::uint8_t*>(elements.data());
    bytes.insert(bytes.end(), from, from + elements.size() * sizeof(T));
  });
}

}  // namespace mjolnir::io::detail
