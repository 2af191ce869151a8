#pragma once

#include <cstddef>
#include <string>

#include <mjolnir/io/file.h>
#include <mjolnir/io/named_tensors.h>

namespace mjolnir::io {

/**
 * Reads the arrays of a file that numpy.savez or savez_compressed wrote, as
 * read_npy() would, in the order of the file, under their names without
 * ".npy". Throws IoError with the path, and with the array's name what
 * read_npy() refuses; also for a file that is no ZIP archive or is damaged, for
 * an array that is encrypted, packed by another method than deflate, given
 * twice, not called *.npy or called like a path out of a folder ("../x",
 * "/x"), and for arrays that claim more than `limit` bytes in all, or more than
 * their packed bytes can hold, before anything is unpacked.
 */
NamedTensors read_npz(const std::string& path,
                      std::size_t limit = std::size_t{1} << 33);

/** The same from memory; `name` is for the messages. */
NamedTensors decode_npz(const Bytes& bytes, const std::string& name,
                        std::size_t limit = std::size_t{1} << 33);

/** How write_npz() packs. */
struct NpzOptions {
  bool compress = false;  ///< As savez_compressed, by deflate.
};

/**
 * Writes tensors as numpy.savez does (C order, names with ".npy" appended),
 * replacing the file as a whole. The same tensors give the same bytes. Throws
 * IoError, or ValueError for an undefined tensor or a name that is empty, not
 * UTF-8, comes twice or that read_npz() would refuse.
 */
void write_npz(const std::string& path, const NamedTensors& tensors,
               const NpzOptions& options = {});

}  // namespace mjolnir::io
