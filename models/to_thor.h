#pragma once

#include <cstdint>

#include <mjolnir/layers/module.h>

namespace mjolnir::models {

/**
 * Gives every layer of a model that has curvature (Conv2d, Dense, Embedding)
 * Kronecker factors of its own, as Conv2dThor and DenseThor have them, without
 * changing a name or the arithmetic: they gather nothing until an optimizer
 * or the caller says collect(). Layers that have them already keep theirs; a
 * grouped convolution is left alone. Returns the number of layers with factors.
 */
std::int64_t to_thor(Module& model);

}  // namespace mjolnir::models
