#pragma once

#include <cstdint>

#include <mjolnir/core/geometry.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir::detail {

/**
 * sums += sum over samples of dW_n^2, elementwise, dW_n = dout_n^T x_n. The
 * rows of a sample follow each other.
 *
 * x (rows, D), dout (rows, O), sums (O, D).
 */
void add_squares(const Tensor& x, const Tensor& dout, std::int64_t samples,
                 const Tensor& sums);

/** A pair of bases, or none. */
struct Bases {
  Tensor u_a;  ///< (D,D)
  Tensor u_g;  ///< (O,O)
};

/**
 * sums += sum over samples of dW_n^2, elementwise, dW_n = sum over positions of
 * dout a^T, a the patch in storage order (kh,kw,c); of (U_G^T dW_n U_A)^2 with
 * bases, which want one group.
 *
 * x (N,C,H,W), dout (N,O,H',W'), sums with the elements of (O, D) in memory.
 */
void add_patch_squares(const Tensor& x, const Tensor& dout,
                       const Conv2dGeometry& window, const Bases& bases,
                       const Tensor& sums);

/**
 * sums[v] += sum over samples of (sum of dout where the id is v)^2.
 *
 * ids (n), dout (n, E), sums (V, E). Throws ValueError for an id outside.
 */
void add_embedding_squares(const Tensor& ids, const Tensor& dout,
                           std::int64_t samples, const Tensor& sums);

}  // namespace mjolnir::detail
