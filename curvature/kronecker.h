#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/core/state.h>
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
  /** The layer's bias is the last column of the weight (homogeneous
   * coordinate); of layers that have one and whose sums count it. */
  bool joint_bias = false;
  /** Keeps A and G themselves too: energy() needs them. */
  bool keep_factors = false;
};

/** The gradients of a layer, or their like: weight, and bias if it is joint. */
struct LayerTensors {
  Tensor weight;
  Tensor bias = {};  ///< Undefined: counts as zero, and is not written.
};

/**
 * One Fisher block of a layer, F ~ T (G kron A) + lambda I, and how to divide
 * by it: g' = 1/T (G + s/pi I)^-1 g (A + pi s I)^-1 with s = sqrt(lambda / T),
 * g viewed as (C_out, D). A grouped convolution has one per group, whose g are
 * the group's rows of the weight. With a joint bias g is (C_out, D + 1). Of an
 * embedding, g (V,E), A is a diagonal (V) and acts from the left, G (E,E) from
 * the right. Works on the storage order of the weight; see docs/thor.md.
 *
 * The block is that of Martens & Grosse, "Optimizing neural networks with
 * Kronecker-factored approximate curvature", ICML 2015, section 3, of a
 * convolution that of Grosse & Martens, "A Kronecker-factored approximate
 * Fisher matrix for convolution layers", ICML 2016, section 3; its damping is
 * the first paper's factored Tikhonov, section 6.3.
 */
class KroneckerBlock {
 public:
  /** Throws ValueError for a convolution weight that is not ChannelsLast, a
   * joint bias that the layer has not, or a group that it has not; ShapeError
   * for a weight of another rank. */
  KroneckerBlock(std::string name, const CurvatureSource& source,
                 const KroneckerOptions& options, std::int64_t group = 0);

  /** Throws what take() throws, and changes nothing: ValueError if P_A and P_G
   * differ or are 0, ShapeError for factors of another shape. */
  void check(const FactorSums& sums) const;
  /**
   * Takes the window's sums (of the group): A = S_A / P, G = gradient_scale S_G
   * / P, their running averages and their damping. What is not finite is noted
   * and changes no average. Throws like check().
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
  /** out = scale F^-1 g, with the inverses of the last good refresh; both have
   * the shape and layout of the parameters, and only the group's rows are read
   * and written. Scratch is U8, of at least scratch_bytes(). Needs a
   * preconditioner. */
  void precondition(const LayerTensors& gradient, double scale,
                    const LayerTensors& out, const Tensor& scratch) const;
  /** The same into new tensors. */
  LayerTensors precondition(const LayerTensors& gradient, double scale) const;
  /** <x, T G x A>, with the factors of the last refresh, undamped. Needs
   * keep_factors; 0 before the first refresh. */
  double energy(const LayerTensors& x) const;
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

  /** Shows averages, inverses, damping and what the ladder did. */
  void visit_state(StateVisitor& visitor);

 private:
  friend void refresh(const std::vector<KroneckerBlock*>& blocks, long step);

  double diagonal(const Factor& factor, Ladder::Side side) const;
  Tensor with_constant(const FactorSums& sums);
  void finish(bool inverted, long step);
  const BlockInverse& left() const noexcept;
  const BlockInverse& right() const noexcept;

  DampingSplit damping_split_;
  bool a_is_left_;  ///< The rows of the weight belong to A, not to G.
  bool joint_bias_;
  DType dtype_;
  std::int64_t group_;
  Factor a_;
  Factor g_;
  Tensor joint_a_;  ///< Where S_A gets the constant input's row and column.
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
