#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mjolnir::io::detail {

/** The dictionary in the header of an NPY file. */
struct NpyHeader {
  std::string descr;  // "<f4"
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
};

/** Parses the Python literal; throws IoError with `file`. */
NpyHeader parse_npy_header(const std::string& text, const std::string& file);

}  // namespace mjolnir::io::detail
