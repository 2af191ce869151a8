#include "train/model_file.h"

#include <mjolnir/io/safetensors.h>
#include <mjolnir/version.h>

namespace mjolnir::train {

void save_model(const std::string& path, const Module& model,
                const std::map<std::string, std::string>& notes) {
  // "format" is what PyTorch's own files of this kind say.
  std::map<std::string, std::string> metadata{{"format", "pt"},
                                              {"format_version", "1"},
                                              {"mjolnir", library_version()}};
  metadata.insert(notes.begin(), notes.end());
  io::write_safetensors(path, model.state(), metadata);
}

void load_model(const std::string& path, Module& model) {
  model.load_state(io::read_safetensors(path).tensors);
}

}  // namespace mjolnir::train
