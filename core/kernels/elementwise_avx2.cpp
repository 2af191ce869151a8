#define MJOLNIR_VECTOR_LOOPS avx2_vector_loops
#include "core/kernels/elementwise_vector.inc"
