#define MJOLNIR_VECTOR_LOOPS avx512_vector_loops
#include "core/kernels/elementwise_vector.inc"
