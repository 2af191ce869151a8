#include <mjolnir/core/backend.h>

#include <mjolnir/core/events.h>

// OpenBLAS's own header cannot be included beside xtensor-blas's (both
// declare the same enums); these two are all that is needed of it here.
extern "C" {
int openblas_get_parallel(void);
char* openblas_get_config(void);
char* openblas_get_corename(void);
}

namespace mjolnir {
namespace {

thread_local Backend current = Backend::Auto;

}  // namespace

Backend backend() noexcept { return current; }

ScopedBackend::ScopedBackend(Backend backend) noexcept : previous_(current) {
  current = backend;
}

ScopedBackend::~ScopedBackend() { current = previous_; }

std::string blas_description() {
  return std::string(openblas_get_config()) + " (kernels " +
         openblas_get_corename() + ")";
}

bool check_blas_threading() {
  const int flavour = openblas_get_parallel();
  if (flavour == 2) return true;
  emit(Severity::Warning, "blas",
       std::string("OpenBLAS's ") + (flavour == 1 ? "pthread" : "serial") +
           " flavour is in use; its threads fight with ours. Install the "
           "OpenMP flavour (Debian: apt install libopenblas0-openmp) or "
           "choose it with update-alternatives --config "
           "libopenblas.so.0-x86_64-linux-gnu");
  return false;
}

}  // namespace mjolnir
