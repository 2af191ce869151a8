#pragma once

#include <cstdint>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/layers/curvature.h>

namespace mjolnir {

/**
 * What a layer gathered since zero_grad(), unscaled. Additive: over backward
 * passes, micro-batches and processes alike. Scaling is the optimizer's
 * business; see docs/thor.md.
 */
struct FactorSums {
  /** S_A, sum of a a^T over positions: (D,D) in storage order (kh,kw,c), the
   * order of a ChannelsLast weight row; of g groups (g,D,D); Dense (I,I);
   * Embedding: how often each id occurred, (V). Undefined until factors were
   * collected. */
  Tensor a;
  /** With a joint bias: sum of a, (D) or (g,D), what S_A has in the row of the
   * constant input. */
  Tensor a_sum;
  /** S_G, sum of dout dout^T over positions, (O,O) or (g,O/g,O/g). */
  Tensor g;
  /** tr S_A and tr S_G of each group, summed in f64; a joint bias counts. */
  std::vector<double> traces_a;
  std::vector<double> traces_g;
  std::int64_t positions_a = 0;  ///< P_A, outer products in S_A.
  std::int64_t positions_g = 0;  ///< P_G, outer products in S_G.
  std::int64_t samples = 0;      ///< N, a sample once per backward pass.
  /** T: positions of one sample; P/N, or P where the batch was averaged before
   * the outer product. 0 if nothing was recorded, or empty batches alone. */
  double positions_per_sample = 0;

  /** The sums of one group, as those of a layer of their own. */
  FactorSums group(std::int64_t index) const;
  /** The same sums with a convolution's weight rows as (c,kh,kw) and not as
   * they are stored; `weight` (O,C/g,kh,kw) or of rank 2. */
  FactorSums in_weight_order(const Tensor& weight) const;
  /** S_A / P_A, with the row and column of a joint bias, in the order of the
   * sums: (D,D), (g,D,D) or (V). Needs positions. */
  Tensor matrix_a() const;
};

/** An observer that sums Kronecker factors; see FactorSums. */
class FactorObserver : public CurvatureObserver {
 public:
  /** With `joint_bias` the sums belong to a layer whose bias is the weight of
   * one more input, always 1. They come from backward calls of one purpose. */
  explicit FactorObserver(Collect what = Collect::Nothing,
                          bool joint_bias = false,
                          Purpose purpose = Purpose::Training)
      : what_(what), joint_bias_(joint_bias), purpose_(purpose) {}

  /** What is gathered from the next record on. Sums that were gathered as
   * Traces are dropped when Factors follow, and the reverse. */
  void collect(Collect what) { what_ = what; }
  Collect collects() const noexcept { return what_; }
  bool joint_bias() const noexcept { return joint_bias_; }
  const FactorSums& sums() const noexcept { return sums_; }
  /** True if nothing, or only empty batches, was added since clear(). */
  bool is_empty() const noexcept {
    return sums_.positions_a == 0 && sums_.positions_g == 0;
  }

  /** Adds the record's dout to S_G and P_G alone, whatever collects() says; of
   * the record only kind, dout and geometry are there. */
  virtual void add_gradient(const CurvatureRecord& record) = 0;

  bool collecting() const override { return what_ != Collect::Nothing; }
  Purpose purpose() const override { return purpose_; }
  void clear() override;

 protected:
  /** Opens a record: drops sums of another kind, counts samples once a pass. */
  void begin(const CurvatureRecord& record);
  /** The same for add_gradient(), which belongs to no pass. */
  void begin_by_hand();
  /** T = P_A / N of sums that were not averaged over a batch. */
  void count_positions();
  /** P_A, tr S_A and, when it collects factors, S_A. */
  void add_a(const CurvatureRecord& record);
  /** The same of an embedding. */
  void add_ids(const CurvatureRecord& record);
  /** P_G, tr S_G and, with `factors`, S_G. */
  void add_g(const CurvatureRecord& record, bool factors);

  FactorSums sums_;
  std::uint64_t pass_ = 0;  ///< Of the last record.

 private:
  Collect what_;
  bool joint_bias_;
  Purpose purpose_;
  Collect gathered_ = Collect::Nothing;
  std::int64_t pass_samples_ = 0;
};

/**
 * Sums over samples and positions: S_A = sum a a^T, S_G = sum dout dout^T, the
 * factors of KFC (Grosse & Martens, "A Kronecker-factored approximate Fisher
 * matrix for convolution layers", ICML 2016).
 */
class KroneckerObserver final : public FactorObserver {
 public:
  using FactorObserver::FactorObserver;
  void record(const CurvatureRecord& record) override;
  void add_gradient(const CurvatureRecord& record) override;
};

/**
 * Parity with MindSpore's THOR on GPUs: a convolution's patches and gradients
 * are averaged over the batch before the outer product, so that the rank is at
 * most T and the result is not an expectation of a a^T. MindSpore's patches
 * always use `same` padding, dilation 1 and group 1, whatever the layer says;
 * that is not copied. Dense and Embedding are summed per sample. One backward
 * pass per window: a second one before zero_grad() throws ValueError.
 */
class BatchMeanObserver final : public FactorObserver {
 public:
  using FactorObserver::FactorObserver;
  void record(const CurvatureRecord& record) override;
  void add_gradient(const CurvatureRecord& record) override;
};

}  // namespace mjolnir
