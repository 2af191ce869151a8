#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/damping.h>
#include <mjolnir/curvature/factor.h>
#include <mjolnir/curvature/ladder.h>
#include <mjolnir/curvature/state.h>
#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/factors.h>

namespace mjolnir {

/** How the factors of a layer become a preconditioner. */
struct KroneckerOptions {
  DampingSplit damping_split = DampingSplit::Even;
  /** rho, in [0, 1): at a refresh M <- rho M + (1 - rho) M_now. */
  double running_average = 0.0;
  /** Largest diagonal block of a factor; 0 keeps it whole. */
  std::int64_t split_dim = 0;
};

/**
 * One layer's Fisher block, F ~ T (G kron A) + lambda I, and how to divide by
 * it: g' = 1/T (G + s/pi I)^-1 g (A + pi s I)^-1 with s = sqrt(lambda / T), g
 * viewed as (C_out, D). Of an embedding, g (V,E), A is a diagonal (V) and acts
 * from the left, G (E,E) from the right. Works on the storage order of the
 * weight; see docs/thor.md.
 */
class KroneckerBlock {
 public:
  /** Throws ValueError for a layer without factors, or a convolution weight
   * that is not ChannelsLast; ShapeError for a weight of another rank. */
  KroneckerBlock(std::string name, const CurvatureSource& source,
                 const KroneckerOptions& options);

  /** Throws what take() throws, and changes nothing: ValueError if P_A and P_G
   * differ or are 0, ShapeError for factors of another shape. */
  void check(const FactorSums& sums) const;
  /**
   * Takes the window's sums: A = S_A / P, G = gradient_scale S_G / P, their
   * running averages and their damping. What is not finite is noted and changes
   * no average. Throws like check().
   */
  void take(const FactorSums& sums, double gradient_scale, double damping,
            long step);

  const std::string& name() const noexcept { return state_.name; }
  const LayerCurvature& state() const noexcept { return state_; }
  Preconditioner preconditioner() const noexcept {
    return state_.preconditioner;
  }
  /** Counts and reports that the weight is left alone in this step. */
  void skip(long step, const std::string& why);

  /** Floating operations of one precondition(). */
  double cost() const noexcept;
  /** scale F^-1 g, with the inverses of the last good refresh. `gradient`
   * has the weight's shape and layout. Needs a preconditioner. */
  Tensor precondition(const Tensor& gradient, double scale) const;
  /** The same into `out`; scratch is U8, of at least scratch_bytes(). */
  void precondition(const Tensor& gradient, double scale, const Tensor& out,
                    const Tensor& scratch) const;
  std::int64_t scratch_bytes() const noexcept;

  /** The inverses in weight order (c,kh,kw), (D,D) and (C_out,C_out); of an
   * embedding (V) and (E,E). Undefined before the first refresh. */
  Tensor inverse_a() const;
  Tensor inverse_g() const;
  /** Puts inverses in place, given in weight order, as a refresh would; only
   * what lies in the diagonal blocks is used. Throws ShapeError, and ValueError
   * unless `positions` (T) is finite and above 0. */
  void set_inverses(const Tensor& a, const Tensor& g, double positions,
                    long step);

 private:
  friend void refresh(const std::vector<KroneckerBlock*>& blocks, long step);

  double diagonal(const Factor& factor, Ladder::Side side) const;
  void finish(bool inverted, long step);
  const BlockInverse& left() const noexcept;
  const BlockInverse& right() const noexcept;

  DampingSplit damping_split_;
  bool a_is_left_;  ///< The rows of the weight belong to A, not to G.
  DType dtype_;
  Factor a_;
  Factor g_;
  bool finite_ = false;     ///< The sums last taken.
  double scalar_ = 0.0;     ///< Denominator of Preconditioner::Scalar.
  double positions_ = 0.0;  ///< T of the sums last taken,
  FactorDamping damping_;   ///< and their damping, without floors.
  Ladder ladder_;
  LayerCurvature state_;
};

/** Inverts what the blocks took, all at once; the ladder catches failures. */
void refresh(const std::vector<KroneckerBlock*>& blocks, long step);

}  // namespace mjolnir
