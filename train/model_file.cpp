#include "train/model_file.h"

#include <mjolnir/io/safetensors.h>

namespace mjolnir::train {

void save_model(const std::string& path, const Module& model) {
  // "format" is what PyTorch's own files of this kind say.
  io::write_safetensors(path, model.state(),
                        {{"format", "pt"}, {"mjolnir", MJOLNIR_VERSION}});
}

void load_model(const std::string& path, Module& model) {
  model.load_state(io::read_safetensors(path).tensors);
}

}  // namespace mjolnir::train
