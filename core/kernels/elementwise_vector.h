#pragma once

#include <cstdint>

#include "core/kernels/elementwise.h"

namespace mjolnir::kernels {

// Serial f32 loops over contiguous buffers of n elements.
using MapLoop = void (*)(Constants constants, std::int64_t n, const float* x,
                         float* y);
using MapGradientLoop = void (*)(Constants constants, std::int64_t n,
                                 const float* saved, const float* dy,
                                 float* dx);
// A step of 0 repeats the operand, 1 walks it.
using ZipLoop = void (*)(std::int64_t n, const float* a, std::int64_t step_a,
                         const float* b, std::int64_t step_b, float* y);

/** The vector loop of each function, null where there is none. */
struct VectorLoops {
  MapLoop (*map)(Unary f);
  MapGradientLoop (*map_gradient)(Unary f);
  ZipLoop (*zip)(Binary f);
};

/** The loops for this CPU, picked once. */
const VectorLoops& vector_loops() noexcept;

/** The loops for any CPU that the library runs on. */
const VectorLoops& baseline_vector_loops() noexcept;

/** On x86-64 also these; call them only where the CPU has them. */
const VectorLoops& avx2_vector_loops() noexcept;
const VectorLoops& avx512_vector_loops() noexcept;
bool cpu_has_avx2() noexcept;
bool cpu_has_avx512() noexcept;

}  // namespace mjolnir::kernels
