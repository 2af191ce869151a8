#pragma once

#include <chrono>

namespace bench {

/** Seconds that `f` takes. */
template <class F>
double seconds(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  const std::chrono::duration<double> spent =
      std::chrono::steady_clock::now() - start;
  return spent.count();
}

}  // namespace bench
