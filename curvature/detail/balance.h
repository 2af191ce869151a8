#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "core/detail/parallel.h"

namespace mjolnir::detail {

/**
 * Calls f(i, worker) for every cost, in floating operations; no two calls run
 * at once under one worker's number, 0 <= worker < num_threads(). A job above
 * an even share of what is left runs first, alone, with all threads to itself;
 * the others go longest first to the thread with the least work, one thread
 * each; little work in all is not worth waking anybody. Which thread runs what
 * depends on costs and thread count alone.
 */
template <class F>
void balanced_for(const std::vector<double>& costs, F&& f) {
  std::vector<std::size_t> order(costs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](auto i, auto j) { return costs[i] > costs[j]; });
  double left = std::accumulate(costs.begin(), costs.end(), 0.0);
  constexpr double worth_waking = 2e5;
  const auto threads =
      static_cast<std::size_t>(left < worth_waking ? 1 : num_threads());
  std::size_t next = 0;
  while (next < order.size() &&
         costs[order[next]] * static_cast<double>(threads) > left) {
    left -= costs[order[next]];
    f(order[next++], std::size_t{0});
  }
  std::vector<std::vector<std::size_t>> bins(threads);
  std::vector<double> load(threads, 0.0);
  for (; next < order.size(); ++next) {
    const auto least = static_cast<std::size_t>(
        std::min_element(load.begin(), load.end()) - load.begin());
    bins[least].push_back(order[next]);
    load[least] += costs[order[next]];
  }
  parallel_for(static_cast<std::int64_t>(threads), 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t b = begin; b < end; ++b) {
                   const auto worker = static_cast<std::size_t>(b);
                   for (const std::size_t i : bins[worker]) f(i, worker);
                 }
               });
}

}  // namespace mjolnir::detail
