#include "train/cores.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#include <mjolnir/core/events.h>
#include <mjolnir/core/threads.h>

#include "train/detail/text.h"

namespace mjolnir::train {

namespace {

int cores_of_mask() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) {
    return CPU_COUNT(&mask);
  }
  return static_cast<int>(std::thread::hardware_concurrency());
}

// "200000 100000" in cpu.max: 200 of every 100 ms, two cores' worth.
int cores_of_group() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  std::string period;
  file >> quota >> period;
  const auto q = detail::to_double(quota);
  const auto p = detail::to_double(period);
  return q && p && *p > 0.0 ? static_cast<int>(std::ceil(*q / *p)) : 0;
}

}  // namespace

int available_cores() {
  const int mask = std::max(cores_of_mask(), 1);
  const int group = cores_of_group();
  return group > 0 ? std::min(mask, group) : mask;
}

int use_threads(std::int64_t requested) {
  const std::int64_t wanted = requested > 0 ? requested : num_threads();
  const int cores = available_cores();
  const int threads = static_cast<int>(std::min<std::int64_t>(wanted, cores));
  if (threads < wanted) {
    emit(Severity::Warning, "threads",
         "using " + std::to_string(threads) + " of " + std::to_string(wanted) +
             " threads: there are no more cores for this process");
  }
  set_num_threads(threads);
  return threads;
}

}  // namespace mjolnir::train
