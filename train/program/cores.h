#pragma once

#include <cstdint>

namespace mjolnir::train {

/** Processors this process may use: its affinity mask, and the share of time
 * its control group grants (rounded up); at least 1. */
int available_cores();

/**
 * Sets the number of threads of a run: as many as asked for, or, for 0, as
 * the environment says (OMP_NUM_THREADS) or as there are cores; never more than
 * available_cores(), because threads that wait for each other's core make a
 * run many times slower. Says so in an event "threads" where that matters.
 * Returns the number.
 */
int use_threads(std::int64_t requested);

}  // namespace mjolnir::train
