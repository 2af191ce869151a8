#pragma once

#include <mjolnir/mjolnir.h>

namespace bench {

/** Multiplications and additions of the layers with weights in one training
 * step, the definition's: forward, weight gradient and, but for the layer that
 * reads the images, input gradient. `net` has factors (second_order). */
double flops_of_step(mjolnir::Module& net, const mjolnir::Batch& batch);

}  // namespace bench
