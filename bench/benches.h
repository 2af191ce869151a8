#pragma once

#include <cstdint>

#include "bench/report.h"

namespace bench {

/** FLOP/s of the faster of oneDNN and OpenBLAS, sgemm 2048^3, best of 5. */
double gemm_peak(Report& report);

/** Single ops at the sizes of a ResNet-20 step; `peak` in FLOP/s as
 * gemm_peak() gives it. */
void kernel_figures(Report& report, double peak);

/** A ResNet-20 on 32x32 images, as a training step. */
struct StepSize {
  std::int64_t width = 16;
  std::int64_t batch = 128;
};

/** Times training steps and counts their arithmetic and memory; `peak` in
 * FLOP/s as gemm_peak() gives it, `rounds` of each kind of step. */
void training_step(Report& report, const StepSize& size, double peak,
                   int rounds);

/** What the figures of the factors are taken on. */
struct CurvatureSize {
  std::int64_t batch = 64;
  /** (1,120,1024,640), 4x4, else a small stand-in. */
  bool documentations_example = true;
};

/** Times the factor A of convolutions, by each of its algorithms, against an
 * explicit matrix of patches. */
void curvature_figures(Report& report, const CurvatureSize& size);

/** How long a run waits for a checkpoint of ResNet-20 with THOR's state, in
 * training steps: the difference that saving makes to a step, medians of
 * `rounds` of each. */
void checkpoint_wait(Report& report, const StepSize& size, int rounds);

/** Compiles a file that includes mjolnir.h, and one that includes four
 * standard headers. */
void header_ratio(Report& report);

/** What a refresh, the average step and a look of Thor cost, in training steps
 * of ResNet-20. */
void refresh_costs(Report& report, int rounds);

/** Milliseconds of Thor's refresh without a split, and of a step between two:
 * medians of `rounds` of each. */
void refresh_times(Report& report, const StepSize& size, int rounds);

/** Times the loading of a ResNet-18 of that width against a plain read of its
 * file; best of `rounds`. Width 96 makes 100 MB. */
void io_figures(Report& report, std::int64_t width, int rounds);

}  // namespace bench
