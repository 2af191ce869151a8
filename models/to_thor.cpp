#include <mjolnir/models/to_thor.h>

#include <algorithm>
#include <set>

#include <mjolnir/layers/scale_shift.h>

namespace mjolnir::models {
namespace {

/** Dotted names of the modules that have parameters of their own. */
std::set<std::string> owners(const Module& model) {
  std::set<std::string> names;
  for (const auto& [name, tensor] : model.named_parameters()) {
    const std::size_t dot = name.rfind('.');
    names.insert(dot == std::string::npos ? "" : name.substr(0, dot));
  }
  return names;
}

std::string type_of(const Module& module) {
  const std::string text = module.describe();
  return text.substr(0, text.find('('));
}

}  // namespace

std::int64_t ToThorReport::with_factors() const noexcept {
  return std::count_if(layers.begin(), layers.end(),
                       [](const ToThorLayer& l) { return l.has_factors; });
}

std::string ToThorReport::str() const {
  std::string text;
  for (const ToThorLayer& l : layers) {
    if (l.why.empty()) continue;
    text += (l.name.empty() ? "(the model itself)" : l.name) + " (" + l.type +
            "): " + l.why + "\n";
  }
  return text;
}

ToThorReport to_thor(Module& model, const LayerFilter& filter) {
  const std::set<std::string> with_parameters = owners(model);
  ToThorReport report;
  for (const auto& [name, module] : model.named_modules()) {
    auto* source = dynamic_cast<CurvatureSource*>(module);
    if (source == nullptr && with_parameters.count(name) == 0) continue;
    ToThorLayer layer{name, type_of(*module), false, ""};
    if (source == nullptr) {
      layer.why = "this type has no Kronecker factors";
      if (dynamic_cast<ScaleShiftSource*>(module) != nullptr) {
        layer.why += "; see the optimizer's option scale_shift";
      }
    } else if (source->factors() != nullptr) {
      layer.has_factors = true;
    } else if (filter && !filter(name, *source)) {
      layer.why = "the filter declined it";
    } else {
      source->enable_factors();
      layer.has_factors = true;
    }
    report.layers.push_back(std::move(layer));
  }
  return report;
}

}  // namespace mjolnir::models
