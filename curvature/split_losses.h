#pragma once

#include <cstdint>
#include <vector>

#include <mjolnir/core/tensor.h>

namespace mjolnir {

/**
 * L = 1 - sqrt(lmax(A' A'^T) / lmax(A A^T)) for each size: the share of its
 * norm that a symmetric positive semidefinite factor (n,n) loses with what lies
 * outside of its diagonal blocks (Chen et al., "THOR", AAAI-21); 0
 * from n on, and of a factor that is zero.
 * Eigenvalues come from linalg::eigh up to n = 192, beyond from Lanczos'
 * method: from below, and within 1e-5 of an eigenvalue, in units of itself; it
 * is the largest one unless the start, random but always the same, is almost
 * orthogonal to its vector.
 * Throws ShapeError unless the factor is square, ValueError for sizes below 1
 * and dtypes, NumericalError for numbers that are not finite.
 */
std::vector<double> split_losses(const Tensor& factor,
                                 const std::vector<std::int64_t>& sizes);

}  // namespace mjolnir
