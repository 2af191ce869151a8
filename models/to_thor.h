#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/module.h>

namespace mjolnir::models {

/** What to_thor() did with a layer that has parameters of its own. */
struct ToThorLayer {
  std::string name;  ///< Dotted; "" for the model itself.
  std::string type;  ///< As describe() says it.
  bool has_factors = false;
  std::string why;  ///< Empty, or why the layer stays first-order.
};

/** What to_thor() did, layer by layer. */
struct ToThorReport {
  std::vector<ToThorLayer> layers;

  /** Layers that have factors now. */
  std::int64_t with_factors() const noexcept;
  /** A line per layer that was left alone: name, type, reason. */
  std::string str() const;
};

/** Chooses layers by dotted name and source. */
using LayerFilter =
    std::function<bool(const std::string& name, const CurvatureSource& layer)>;

/**
 * Gives the layers of a model that have curvature (Conv2d, Dense, Embedding,
 * whatever else is a CurvatureSource) Kronecker factors of their own, as
 * Conv2dThor and DenseThor have them from birth. Nothing else changes: weights,
 * biases, strides, dilations, groups and names stay. They gather nothing until
 * an optimizer or the caller says collect(). Layers that have factors already
 * keep theirs. Empty: every layer. Those that `filter` declines are left alone.
 */
ToThorReport to_thor(Module& model, const LayerFilter& filter = {});

}  // namespace mjolnir::models
