#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/core/types.h>
#include <mjolnir/io/safetensors.h>

namespace mjolnir::io::detail {

/** One tensor of a safetensors header. */
struct HeaderEntry {
  std::string name;
  std::string dtype;  // as in the file, e.g. "F32"
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> offsets;  // begin, end; within the data
  bool has_shape = false;
  bool has_offsets = false;
};

/** A parsed header: right as JSON, not yet checked against the data. */
struct Header {
  std::vector<HeaderEntry> entries;
  Metadata metadata;
};

/** Parses the JSON of a header; throws IoError with `name`. */
Header parse_header(const char* json, std::size_t size,
                    const std::string& name);

}  // namespace mjolnir::io::detail
