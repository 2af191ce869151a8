#define MJOLNIR_VECTOR_LOOPS baseline_vector_loops
#include "core/kernels/elementwise_vector.inc"
