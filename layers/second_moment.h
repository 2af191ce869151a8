#pragma once

#include <mjolnir/core/tensor.h>
#include <mjolnir/layers/sample_squares.h>

namespace mjolnir {

/**
 * The second moments of the samples' gradients in a Kronecker basis, times N:
 * sum() = sum over samples of (U_G^T dW_n U_A)^2, elementwise, (O,D). With the
 * eigenvectors of A and G these are the eigenvalues of EKFAC (George et al.,
 * "Fast approximate natural gradient descent in a Kronecker-factored
 * eigenbasis", NeurIPS 2018), the diagonal that fits the Fisher matrix best in
 * that basis. For Conv2d of one group and Dense.
 */
class SecondMomentObserver final : public SampleSquaresObserver {
 public:
  /**
   * U_A (D,D) and U_G (O,O), orthogonal, basis vectors in columns, as
   * linalg::eigh() gives them; row d of U_A belongs to element d of a weight
   * row as stored, (kh,kw,c), like FactorSums::a. Throws ShapeError unless both
   * are square, ValueError unless they share a floating dtype.
   */
  SecondMomentObserver(Tensor u_a, Tensor u_g,
                       Purpose purpose = Purpose::Training);

  /** Other bases; forgets the sums. Throws like the constructor. */
  void set_bases(Tensor u_a, Tensor u_g);
  const Tensor& u_a() const noexcept { return u_a_; }
  const Tensor& u_g() const noexcept { return u_g_; }

  /** Throws ShapeError for bases of other sizes than the layer's, ValueError
   * for another dtype, groups, and an embedding, whose A is a diagonal. */
  void record(const CurvatureRecord& record) override;

 private:
  Tensor u_a_;
  Tensor u_g_;
};

}  // namespace mjolnir
