#include "core/kernels/elementwise_vector.h"

namespace mjolnir::kernels {

bool cpu_has_avx2() noexcept { return false; }

bool cpu_has_avx512() noexcept { return false; }

const VectorLoops& avx2_vector_loops() noexcept {
  return baseline_vector_loops();
}

const VectorLoops& avx512_vector_loops() noexcept {
  return baseline_vector_loops();
}

const VectorLoops& vector_loops() noexcept { return baseline_vector_loops(); }

}  // namespace mjolnir::kernels
