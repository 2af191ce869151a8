#pragma once

#include <mjolnir/core/tensor.h>
#include <mjolnir/data/loader.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/train/meter.h>
#include <mjolnir/train/objective.h>

namespace mjolnir::train {

/**
 * Loss, accuracy and its standard error over one pass of a loader, in
 * evaluation mode and without recording; the mode comes back afterwards. The
 * result does not depend on the batch size beyond rounding.
 */
Meter evaluate(Module& model, data::Loader& loader,
               const Objective& objective = classification());

}  // namespace mjolnir::train
