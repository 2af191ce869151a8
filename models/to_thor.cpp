#include <mjolnir/layers/curvature.h>
#include <mjolnir/models/to_thor.h>

namespace mjolnir::models {

std::int64_t to_thor(Module& model) {
  std::int64_t layers = 0;
  for (const auto& [name, module] : model.named_modules()) {
    auto* source = dynamic_cast<CurvatureSource*>(module);
    if (!source || !source->has_factors()) continue;
    if (!source->factors()) source->enable_factors();
    ++layers;
  }
  return layers;
}

}  // namespace mjolnir::models
