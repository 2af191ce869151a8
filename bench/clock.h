#pragma once

#include <algorithm>
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

/** Seconds of the best of some calls, after one that is not counted. */
template <class F>
double best_of(int calls, F&& f) {
  f();
  double best = seconds(f);
  for (int i = 1; i < calls; ++i) best = std::min(best, seconds(f));
  return best;
}

}  // namespace bench
