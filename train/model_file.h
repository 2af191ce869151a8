#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <mjolnir/layers/module.h>
#include <mjolnir/layers/state.h>

namespace mjolnir::train {

/**
 * Writes the parameters and buffers of a model, under the names PyTorch gives
 * them, to a safetensors file, replacing it as a whole. `notes` join the
 * file's metadata: "format" (pt), "format_version" and "mjolnir" (the version
 * of this library) are there always, "not_finite" where elements are NaN or
 * infinite: how many, which is also an event (topic "weights"). Throws IoError.
 */
void save(const Module& model, const std::string& path,
          const std::map<std::string, std::string>& notes = {});

/** How load() takes a file that does not fit the model. */
struct LoadOptions {
  /** True: it is an error. False: what fits in name, shape and dtype is
   * loaded, the rest of the model stays as it is. */
  bool strict = true;
};

/** What load() found. */
struct LoadResult {
  /** What did not fit; empty if all did, as it must with `strict`. */
  std::vector<StateDifference> differences = {};
  /** NaN and infinite elements that were loaded. */
  std::int64_t not_finite = 0;
  /** What the file says about itself. */
  std::map<std::string, std::string> metadata = {};
};

/**
 * Reads what save() wrote, or any safetensors file with the same names, into a
 * model: all of it or nothing. Throws IoError for a file that is damaged or of
 * a later format version, and ValueError that lists every missing, extra or
 * differing name; the model is then as it was. NaN and infinite elements are
 * counted and reported as an event (topic "weights").
 */
LoadResult load(Module& model, const std::string& path,
                const LoadOptions& options = {});

}  // namespace mjolnir::train
