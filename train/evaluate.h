#pragma once

#include <functional>

#include <mjolnir/core/tensor.h>
#include <mjolnir/data/loader.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/train/meter.h>
#include <mjolnir/train/objective.h>

namespace mjolnir::train {

/**
 * Loss, accuracy and its standard error over one pass of a loader, in
 * evaluation mode and without recording; the mode comes back afterwards. The
 * result does not depend on the batch size beyond rounding. `stop` is asked
 * after each batch; true ends it there, with what was seen so far.
 */
Meter evaluate(Module& model, data::Loader& loader,
               const Objective& objective = classification(),
               const std::function<bool()>& stop = {});

}  // namespace mjolnir::train
