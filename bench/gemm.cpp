#include "bench/gemm.h"

#include <cstddef>
#include <vector>

#include <cblas.h>

#include <mjolnir/core/backend.h>

#include "bench/clock.h"
#include "core/kernels/gemm.h"

namespace bench {

GemmSpeeds gemm_speeds(int size, int calls) {
  const auto edge = static_cast<std::size_t>(size);
  const std::vector<float> a(edge * edge, 0.5f);
  const std::vector<float> b(a.size(), 0.25f);
  std::vector<float> c(a.size());
  const double flops = 2.0 * size * size * size;

  GemmSpeeds speeds;
  speeds.openblas =
      flops / best_of(calls, [&] {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, size, size, size,
                    1.0f, a.data(), size, b.data(), size, 0.0f, c.data(), size);
      });
  if (mjolnir::has_onednn()) {
    speeds.onednn = flops / best_of(calls, [&] {
                      mjolnir::kernels::gemm<float>(
                          false, false, size, size, size, 1.0f, a.data(), size,
                          b.data(), size, 0.0f, c.data(), size);
                    });
  }
  return speeds;
}

}  // namespace bench
