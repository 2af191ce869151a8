#pragma once

#include <string>

#include <mjolnir/core/tensor.h>
#include <mjolnir/io/file.h>

namespace mjolnir::io {

/**
 * Reads an array that numpy.save wrote (format versions 1, 2, 3; either byte
 * order; C or Fortran order) into a row-major tensor. f4, f8, i8 and u1 keep
 * their type, i4 becomes I64, b1 becomes U8. Throws IoError with the path for
 * another dtype (objects are never unpickled), a rank above 8, a header over
 * 10,000 bytes, or a file that is not as long as its header says.
 */
Tensor read_npy(const std::string& path);

/** The same from memory; `name` is for the messages. */
Tensor decode_npy(const Bytes& bytes, const std::string& name);

/** Writes a tensor as numpy.save does (version 1, C order), replacing the
 * file as a whole. Throws IoError, or ValueError for an undefined tensor. */
void write_npy(const std::string& path, const Tensor& tensor);

/** The same bytes in memory; `name` is for the messages. */
Bytes encode_npy(const Tensor& tensor, const std::string& name);

}  // namespace mjolnir::io
