#include <algorithm>
#include <vector>

#include <cblas.h>

#include <mjolnir/core/backend.h>
#include <mjolnir/core/threads.h>

#include "bench/benches.h"
#include "bench/clock.h"
#include "core/kernels/gemm.h"

namespace bench {
namespace {

constexpr int size = 2048;

// FLOP/s of the best of five calls, after one that is not counted.
template <class Multiply>
double best_of_five(Multiply&& multiply) {
  const double flops = 2.0 * size * size * size;
  multiply();
  double best = 0.0;
  for (int i = 0; i < 5; ++i) best = std::max(best, flops / seconds(multiply));
  return best;
}

}  // namespace

double gemm_peak(Report& report) {
  const std::vector<float> a(static_cast<std::size_t>(size) * size, 0.5f);
  const std::vector<float> b(a.size(), 0.25f);
  std::vector<float> c(a.size());

  report.section("GEMM, f32, 2048 x 2048 x 2048, best of 5, " +
                 std::to_string(mjolnir::num_threads()) + " threads");
  double peak = best_of_five([&] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, size, size, size,
                1.0f, a.data(), size, b.data(), size, 0.0f, c.data(), size);
  });
  report.add("gemm_openblas_gflops", "OpenBLAS", peak / 1e9, "GFLOP/s", 0);
  if (mjolnir::has_onednn()) {
    const double onednn = best_of_five([&] {
      mjolnir::kernels::gemm<float>(false, false, size, size, size, 1.0f,
                                    a.data(), size, b.data(), size, 0.0f,
                                    c.data(), size);
    });
    report.add("gemm_onednn_gflops", "oneDNN " + mjolnir::onednn_version(),
               onednn / 1e9, "GFLOP/s", 0);
    peak = std::max(peak, onednn);
  }
  report.add("gemm_peak_gflops", "GEMM peak: the faster of them", peak / 1e9,
             "GFLOP/s", 0);
  return peak;
}

}  // namespace bench
