#pragma once

#include <cstdint>

#include "core/kernels/conv.h"

/**
 * The fast f32 kernels of oneDNN. onednn.cpp is the only file that knows that
 * library and its version; onednn_stub.cpp stands in for it in a build
 * without. Every function returns false, having written nothing, where
 * oneDNN is absent or has no fast kernel for the shape: the caller then takes
 * the reference kernel. Results are the same bits for the same thread count.
 * Where oneDNN fails while it runs, Error or std::bad_alloc is thrown.
 */
namespace mjolnir::kernels::onednn {

/** gemm<float>; see core/kernels/gemm.h. */
bool sgemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n,
           std::int64_t k, float alpha, const float* a, std::int64_t lda,
           const float* b, std::int64_t ldb, float beta, float* c,
           std::int64_t ldc);

/** Calls of sgemm() so far, in this process. */
std::int64_t sgemm_count() noexcept;

/** Primitives made so far, in this process: in its steady state a loop makes
 * none. */
std::int64_t primitive_creation_count() noexcept;

/** conv2d_forward<float>; see core/kernels/conv.h. */
bool conv2d_forward(const ConvSizes& sizes, const float* x, const float* w,
                    const float* b, float* y);

/** conv2d_input_gradient<float>. */
bool conv2d_input_gradient(const ConvSizes& sizes, const float* dy,
                           const float* w, float* dx);

/** conv2d_weight_gradient<float>. */
bool conv2d_weight_gradient(const ConvSizes& sizes, const float* x,
                            const float* dy, float* dw);

}  // namespace mjolnir::kernels::onednn
