#include <mjolnir/core/threads.h>

#include <algorithm>
#include <string>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>

#include "core/detail/cgroup.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace mjolnir {

#ifdef _OPENMP
namespace {

// More threads than cores spin against each other, so an OMP_NUM_THREADS (or
// a default) beyond what this process may use is lowered once.
void clamp_once() {
  static const bool done = [] {
    const int granted = detail::cgroup_cores();
    const int cores = granted > 0 ? std::min(omp_get_num_procs(), granted)
                                  : omp_get_num_procs();
    const int asked = omp_get_max_threads();
    if (asked > cores) {
      omp_set_num_threads(cores);
      emit(Severity::Info, "threads",
           "OpenMP offered " + std::to_string(asked) +
               " threads, this process may use " + std::to_string(cores) +
               " cores: using " + std::to_string(cores));
    }
    return true;
  }();
  (void)done;
}

}  // namespace

int num_threads() noexcept {
  clamp_once();
  return omp_in_parallel() != 0 ? 1 : omp_get_max_threads();
}

void set_num_threads(int count) {
  if (count < 1) {
    throw ValueError("[set_num_threads] expected at least 1 thread, got " +
                     std::to_string(count));
  }
  if (omp_in_parallel() != 0) {
    throw ValueError(
        "[set_num_threads] called inside a parallel region; set the number "
        "of threads outside of it");
  }
  clamp_once();
  omp_set_num_threads(count);
}
#else
int num_threads() noexcept { return 1; }

void set_num_threads(int count) {
  if (count < 1) {
    throw ValueError("[set_num_threads] expected at least 1 thread, got " +
                     std::to_string(count));
  }
}
#endif

}  // namespace mjolnir
