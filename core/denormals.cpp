#include <mjolnir/core/denormals.h>

#include <mjolnir/core/threads.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace mjolnir {
namespace {

#if defined(__SSE2__)
constexpr unsigned kFlushToZero = 0x8000;       // results
constexpr unsigned kDenormalsAreZero = 0x0040;  // operands

unsigned mode() { return _mm_getcsr() & (kFlushToZero | kDenormalsAreZero); }

void set_mode(unsigned wanted) {
  const unsigned others = _mm_getcsr() & ~(kFlushToZero | kDenormalsAreZero);
  _mm_setcsr(others | wanted);
}

constexpr unsigned kFlush = kFlushToZero | kDenormalsAreZero;
#else
unsigned mode() { return 0; }

void set_mode(unsigned) {}

constexpr unsigned kFlush = 0;
#endif

// The kernels' threads live on between regions; later ones inherit the mode
// of the thread that starts them.
void set_mode_of_all(unsigned wanted) {
  set_mode(wanted);
#ifdef _OPENMP
#pragma omp parallel num_threads(num_threads())
  set_mode(wanted);
#endif
}

}  // namespace

FlushDenormals::FlushDenormals() : previous_(mode()) {
  set_mode_of_all(kFlush);
}

FlushDenormals::~FlushDenormals() { set_mode_of_all(previous_); }

}  // namespace mjolnir
