#pragma once

#include <cstdint>
#include <vector>

#include <mjolnir/mjolnir.h>

#include "bench/benches.h"

namespace bench {

/** What was measured of one kind of step. */
struct Kind {
  std::vector<double> times;  ///< Seconds.
  std::int64_t misses = 0;    ///< Tensor-storage misses of the worst step.
  std::int64_t news = 0;      ///< Calls of operator new.

  double median();
};

/** ResNet-20 of that width for 32x32 colour images, with factors. */
mjolnir::models::ResNetOptions resnet20(const StepSize& size);

/** Normal numbers of that shape, channels-last. */
mjolnir::Tensor random_image(const mjolnir::Shape& shape);

mjolnir::Batch random_batch(const StepSize& size, mjolnir::Generator& rng);

/** A network that some optimizer trains, in `period` kinds of steps. */
struct Trained {
  mjolnir::Module& net;
  mjolnir::optim::Optimizer& optimizer;
  int period;
};

/** Runs the kinds of steps of all these in turn, one of each to warm up, and
 * measures `rounds` of each, so that a machine that gets slower slows all of
 * them; every occurrence from the second on counts. The kinds of the first
 * come first. */
std::vector<Kind> measure(const std::vector<Trained>& all,
                          const mjolnir::Batch& batch, int rounds);

}  // namespace bench
