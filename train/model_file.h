#pragma once

#include <map>
#include <string>

#include <mjolnir/layers/module.h>

namespace mjolnir::train {

/**
 * Writes the parameters and buffers of a model, under the names PyTorch gives
 * them, to a safetensors file, replacing it as a whole. `notes` join the
 * file's metadata: "format" (pt), "format_version" and "mjolnir" (the version
 * of this library) are there always. Throws IoError.
 */
void save_model(const std::string& path, const Module& model,
                const std::map<std::string, std::string>& notes = {});

/**
 * Reads what save_model() wrote, or any safetensors file with the same names,
 * into a model. Throws IoError for a bad file, and ValueError that lists every
 * missing, extra or differing name; the model is then as it was.
 */
void load_model(const std::string& path, Module& model);

}  // namespace mjolnir::train
