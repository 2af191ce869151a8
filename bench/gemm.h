#pragma once

namespace bench {

/** FLOP/s of one product of f32 matrices; 0 for a library that is absent. */
struct GemmSpeeds {
  double openblas = 0.0;
  double onednn = 0.0;

  /** Of the faster of them. */
  double best() const { return openblas > onednn ? openblas : onednn; }
};

/** Of size x size x size, the best of `calls` after one that is not counted. */
GemmSpeeds gemm_speeds(int size, int calls);

}  // namespace bench
