#include "train/program/cores.h"

#include <sched.h>

#include <algorithm>
#include <string>
#include <thread>

#include <mjolnir/core/events.h>
#include <mjolnir/core/threads.h>

#include "core/detail/cgroup.h"

namespace mjolnir::train {

namespace {

int cores_of_mask() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) {
    return CPU_COUNT(&mask);
  }
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

int available_cores() {
  const int mask = std::max(cores_of_mask(), 1);
  const int group = mjolnir::detail::cgroup_cores();
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
