#pragma once

namespace mjolnir {

/** Threads that kernels, BLAS and oneDNN may use. */
int num_threads() noexcept;

/**
 * Sets the number of threads, at least 1, of the calling thread's kernels.
 * Throws ValueError for a count below 1, or inside a parallel region.
 */
void set_num_threads(int count);

}  // namespace mjolnir
