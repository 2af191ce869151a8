#pragma once

namespace mjolnir {

/**
 * Treats subnormal numbers (below 1.2e-38 in f32) as 0, on the calling thread
 * and the threads of its kernels, until the end of the scope, which restores
 * what was set before. Products with subnormal numbers can take a hundred
 * times as long as others; a network whose weights fade away meets them. Does
 * nothing on a CPU without such a mode. Use it from one thread at a time.
 */
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned previous_;
};

}  // namespace mjolnir
