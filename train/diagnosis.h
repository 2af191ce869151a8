#pragma once

#include <string>

#include <mjolnir/layers/module.h>
#include <mjolnir/train/objective.h>

namespace mjolnir::train {

/**
 * Where a batch stops being finite on its way through a model: runs it through
 * once more and looks at the inputs of all layers with curvature (Conv2d,
 * Dense, Embedding), in the order in which they are registered. Returns a
 * clause such as "; the input of layer2.0.conv1 is the first that is not
 * finite", or "" if nothing can be said. Moves running statistics as any
 * forward pass in training does; gradients and random numbers stay.
 */
std::string where_not_finite(Module& model, const Objective& objective,
                             const Batch& batch);

}  // namespace mjolnir::train
