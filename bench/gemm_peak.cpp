#include <string>

#include <mjolnir/core/backend.h>
#include <mjolnir/core/threads.h>

#include "bench/benches.h"
#include "bench/gemm.h"

namespace bench {

double gemm_peak(Report& report) {
  report.section("GEMM, f32, 2048 x 2048 x 2048, best of 5, " +
                 std::to_string(mjolnir::num_threads()) + " threads");
  const GemmSpeeds speeds = gemm_speeds(2048, 5);
  report.add("gemm_openblas_gflops", "OpenBLAS", speeds.openblas / 1e9,
             "GFLOP/s", 0);
  if (mjolnir::has_onednn()) {
    report.add("gemm_onednn_gflops", "oneDNN " + mjolnir::onednn_version(),
               speeds.onednn / 1e9, "GFLOP/s", 0);
  }
  report.add("gemm_peak_gflops", "GEMM peak: the faster of them",
             speeds.best() / 1e9, "GFLOP/s", 0);
  return speeds.best();
}

}  // namespace bench
