#include "core/kernels/elementwise_vector.h"

namespace mjolnir::kernels {
namespace {

const VectorLoops& pick() noexcept {
  if (cpu_has_avx512()) return avx512_vector_loops();
  if (cpu_has_avx2()) return avx2_vector_loops();
  return baseline_vector_loops();
}

}  // namespace

bool cpu_has_avx2() noexcept {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool cpu_has_avx512() noexcept {
  return __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512cd") &&
         __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
}

const VectorLoops& vector_loops() noexcept {
  static const VectorLoops& loops = pick();
  return loops;
}

}  // namespace mjolnir::kernels
