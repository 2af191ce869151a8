#pragma once

#include <cstdint>

#include "core/kernels/batch_norm_relu.h"
#include "core/kernels/elementwise.h"

namespace mjolnir::kernels {

// Serial f32 loops over contiguous buffers of n elements.
using MapLoop = void (*)(Constants constants, std::int64_t n, const float* x,
                         float* y);
using MapGradientLoop = void (*)(Constants constants, std::int64_t n,
                                 const float* saved, const float* dy,
                                 float* dx);
/** Where an operand of a matrix of outputs lies: a step of 0 repeats it along
 * that axis, `column` is 0 or 1. */
struct Steps {
  std::int64_t row = 0;
  std::int64_t column = 0;
};

// y (rows,columns), contiguous
using ZipLoop = void (*)(std::int64_t rows, std::int64_t columns,
                         const float* a, Steps steps_a, const float* b,
                         Steps steps_b, float* y);

// y = e^(x - m), m = max x; gives sum y, in double, and m
// x, y (n), n >= 1
using ExpRow = double (*)(std::int64_t n, const float* x, float* y,
                          float* largest);

/** The constants of batch_norm_relu, of each column and repeated, (period)
 * each: y = relu((x - centre) scale + shift + addend),
 * dx = scale g + slope (x - centre) + offset. */
struct NormReluConstants {
  std::int64_t period = 0;  ///< A multiple of two vectors.
  const float* centre = nullptr;
  const float* scale = nullptr;
  const float* shift = nullptr;
  const float* slope = nullptr;
  const float* offset = nullptr;
};

/** Floats that the sums below add up before they go to a double (columns.h:
 * panel_rows). */
constexpr std::int64_t kTermsInFloat = 16;

/** Loops over n numbers, the first of which is the first of a period. */
struct NormReluLoops {
  // x, addend (or null), y (n)
  void (*forward)(const NormReluConstants& of, std::int64_t n, const float* x,
                  const float* addend, float* y);
  // sums[0] += g, sums[1] += g (x - centre), daddend = g if wanted
  // sums (2,period), buffers of `to` (n)
  void (*sums)(const NormReluConstants& of, std::int64_t n,
               const NormReluGradient<float>& to, double* sums);
  // dx, after the sums
  void (*gradient)(const NormReluConstants& of, std::int64_t n,
                   const NormReluGradient<float>& to);
};

/** The vector loop of each function, null where there is none. */
struct VectorLoops {
  MapLoop (*map)(Unary f);
  MapGradientLoop (*map_gradient)(Unary f);
  ZipLoop (*zip)(Binary f);
  ExpRow exp_row;
  NormReluLoops norm_relu;
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
