#pragma once

#include <string>

namespace mjolnir::detail {

/** What errors and events call a layer; the module itself has no name. */
inline std::string label(const std::string& layer) {
  return layer.empty() ? "the root layer" : "layer " + layer;
}

}  // namespace mjolnir::detail
