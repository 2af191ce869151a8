#pragma once

#include <map>
#include <string>

#include <mjolnir/core/tensor.h>
#include <mjolnir/io/file.h>
#include <mjolnir/io/named_tensors.h>

namespace mjolnir::io {

using Metadata = std::map<std::string, std::string>;

/** Content of a safetensors file. */
struct SafeTensors {
  NamedTensors tensors;  ///< In the order of the file; row-major.
  Metadata metadata;     ///< The `__metadata__` entry.
};

/**
 * Reads a safetensors file (https://github.com/huggingface/safetensors).
 * F32, F64, I64 and U8 keep their type, I32 becomes I64, BOOL becomes U8.
 * Throws IoError with the path and what is wrong for everything the reference
 * reader refuses, duplicate names, another dtype, a rank above 8. Takes no
 * more memory than a few times the size of the file, whatever it claims.
 */
SafeTensors read_safetensors(const std::string& path);

/** The metadata alone, without reading a tensor. Throws as
 * read_safetensors(). */
Metadata read_safetensors_metadata(const std::string& path);

/** read_safetensors() from memory; `name` is for the messages. */
SafeTensors decode_safetensors(const Bytes& bytes, const std::string& name);

/**
 * Writes a safetensors file as the reference writer does (sorted by element
 * size, then name; data 8-aligned), elements in logical order, replacing the
 * file as a whole (AtomicFile). Throws IoError, or ValueError for an undefined
 * tensor, or a name that comes twice, is "__metadata__" or is not UTF-8.
 */
void write_safetensors(const std::string& path, const NamedTensors& tensors,
                       const Metadata& metadata = {});

/** The bytes of that file. Throws ValueError as write_safetensors(). */
Bytes encode_safetensors(const NamedTensors& tensors,
                         const Metadata& metadata = {});

}  // namespace mjolnir::io
