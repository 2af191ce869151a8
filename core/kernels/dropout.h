#pragma once

#include <cstdint>

namespace mjolnir::kernels {

/**
 * y[i] = x[i] / (1 - p) if u(i) >= p, else 0, with u(i) uniform in [0, 1) from
 * a counter-based generator: 32 bits of Philox block i / 4 of (seed, stream).
 * Element i is kept or dropped whatever the threads, and the same call on a
 * gradient is the adjoint; no mask is stored.
 *
 * x, y (count); 0 <= p <= 1. T is float or double.
 */
template <class T>
void dropout(std::int64_t count, double p, std::uint64_t seed,
             std::uint64_t stream, const T* x, T* y);

}  // namespace mjolnir::kernels
