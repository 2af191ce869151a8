#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <mjolnir/core/state.h>

namespace mjolnir::train {

/** A moment of a run, as one file keeps it. */
struct Checkpoint {
  SavedState state;
  /** What else there is to say, e.g. "step"; the names "format", "version",
   * "mjolnir", "checksum" and "not_finite" are taken. */
  std::map<std::string, std::string> notes;
};

/** The version of the format that this build writes, and the last that it
 * reads. */
constexpr int checkpoint_version = 1;

/**
 * Writes a checkpoint, replacing the file as a whole: a safetensors file whose
 * metadata hold, beside the notes, the version of the format, the version of
 * this library, and the CRC-32 of the file with zeros in the place of that
 * checksum. If some parameter or buffer of the model (a tensor below
 * "fit/model/") is not finite, "not_finite" says how many numbers are. Throws
 * IoError, and ValueError for a note whose name is taken.
 */
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/**
 * Reads one. Every flipped bit is noticed, and so is every missing byte. Throws
 * IoError for a damaged file, one that is no checkpoint, or one of a later
 * version.
 */
Checkpoint read_checkpoint(const std::string& path);

/** The entries below `prefix`, without it. */
SavedState part_of(const SavedState& state, const std::string& prefix);
/** Appends entries below `prefix`. */
void append(SavedState& state, const std::string& prefix,
            const SavedState& part);

}  // namespace mjolnir::train
