#pragma once

#include <cstdint>
#include <vector>

#include <mjolnir/core/state.h>
#include <mjolnir/core/tensor.h>
#include <mjolnir/core/types.h>
#include <mjolnir/curvature/block_inverse.h>

namespace mjolnir {

/** What a Factor is. */
struct FactorOptions {
  std::int64_t size = 0;  ///< n, its rows.
  bool diagonal = false;  ///< A diagonal (n), not a matrix (n,n).
  /** Where row i of the weight order is stored; empty: in the same place. */
  std::vector<std::int64_t> order = {};
  std::int64_t split_dim = 0;    ///< Largest diagonal block; 0 keeps it whole.
  double running_average = 0.0;  ///< rho; 0 keeps no average.
  bool keep = false;             ///< Keeps M itself after done().
  DType dtype = DType::F32;
};

/**
 * One side of a layer's Kronecker product, on its way from the sums of a
 * window to the inverse of the damped factor. It is a symmetric matrix, whose
 * inverse is kept in diagonal blocks, or a diagonal.
 */
class Factor {
 public:
  explicit Factor(FactorOptions options);

  std::int64_t size() const noexcept { return options_.size; }
  /** Throws ShapeError unless the sums are (n,n), or (n) of a diagonal. */
  void check(const Tensor& sums) const;
  /** True if take() would meet no NaN and no infinity; changes nothing. */
  bool accepts(const Tensor& sums, double scale) const;
  /** M <- rho M + (1 - rho) scale sums, at first scale sums: what the next
   * inversion reads. Without an average the sums are borrowed until done(). */
  void take(const Tensor& sums, double scale);

  double mean() const noexcept { return mean_; }  ///< tr M / n
  /** What goes to the diagonal of M: `damping`, or the floor of its dtype if
   * that is more. */
  void set_damping(double damping);
  double damping() const noexcept { return damping_; }

  /** To invert M + diagonal I, beside the inverse in use. */
  InversionJob job(double diagonal);
  /** The inverse of the last job is now in use. */
  void accept() noexcept;
  /** Lets go of the sums. */
  void done() noexcept { current_ = Tensor(); }

  /** y = M x and y = x M, with M as last taken, in storage order; 0 before.
   * Needs `keep`. x, y (n, columns) and (rows, n). T is float or double. */
  template <class T>
  void multiply_left(std::int64_t columns, const T* x, T* y) const;
  template <class T>
  void multiply_right(std::int64_t rows, const T* x, T* y) const;

  const BlockInverse& inverse() const noexcept { return inverse_; }
  /** The inverse in use, in weight order: (n,n), or (n) of a diagonal. */
  Tensor inverse_in_weight_order() const;
  /** Overwrites the inverse in use; given like inverse_in_weight_order(). */
  void set_inverse(const Tensor& inverse);

  /** Shows the average, the inverse (`inverted`: it was made) and what goes to
   * the diagonal. Between a done() and the next take(). */
  void visit_state(StateVisitor& visitor, bool inverted);

 private:
  BlockInverse new_inverse() const;
  double average_share() const noexcept;

  FactorOptions options_;
  Tensor average_;         ///< M, if it is kept.
  bool averaged_ = false;  ///< M holds something.
  Tensor current_;         ///< What the next inversion reads,
  double scale_ = 1.0;     ///< times this.
  double mean_ = 0.0;
  double largest_ = 0.0;  ///< Of the diagonal of M.
  double damping_ = 0.0;
  BlockInverse inverse_;
  BlockInverse next_;  ///< Where the next one is made; kept between refreshes.
};

}  // namespace mjolnir
