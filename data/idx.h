#pragma once

#include <string>

#include <mjolnir/core/tensor.h>
#include <mjolnir/io/file.h>

namespace mjolnir::data {

/**
 * Reads an IDX file of unsigned bytes (the format of MNIST: 0, 0, type 8,
 * rank, then `rank` big-endian u32 lengths, then the bytes), plain or
 * gzipped, into a U8 tensor of that shape. Throws IoError with the path for a
 * file that is missing, is something else, or is not as long as its header
 * says.
 */
Tensor read_idx(const std::string& path);

/** The same from memory; `name` is for the messages. */
Tensor decode_idx(const io::Bytes& bytes, const std::string& name);

}  // namespace mjolnir::data
