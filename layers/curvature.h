#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/geometry.h>
#include <mjolnir/core/tensor.h>
#include <mjolnir/layers/observation.h>

namespace mjolnir {

/** What kind of layer a record comes from. */
enum class CurvatureKind : std::uint8_t { Conv2d, Dense, Embedding };

/**
 * What a layer with curvature shows its observers, once per use in a
 * backward pass: its input and the gradient of the loss with respect to its
 * output. Both are only read, and only valid during the call.
 */
struct CurvatureRecord {
  CurvatureKind kind = CurvatureKind::Dense;
  Tensor x;  ///< Conv2d (N,C,H,W); Dense (N,...,D_in); Embedding ids (N,...).
  Tensor dout;               ///< Conv2d (N,O,H',W'); otherwise (N,...,D_out).
  Conv2dGeometry geometry;   ///< Conv2d only.
  std::int64_t rows = 0;     ///< Of the weight: O, or V of an Embedding.
  std::int64_t samples = 0;  ///< N; counted once per pass.
  std::uint64_t pass = 0;    ///< Unique per backward call.
};

/** Sees the records of the layers it observes. */
class CurvatureObserver : public LayerObserver {
 public:
  virtual void record(const CurvatureRecord& record) = 0;
};

/** What a layer gathers in the backward passes to come. */
enum class Collect : std::uint8_t {
  Nothing,  ///< One test per backward pass, no work.
  Traces,   ///< tr S_A and tr S_G, one pass over x and dout.
  Factors,  ///< S_A and S_G, and their traces.
};

class FactorObserver;
class Module;

/**
 * A layer whose Fisher block can be observed. Sources are born dormant in
 * Conv2d, Dense and Embedding; Conv2dThor and DenseThor are born with factors
 * of their own that collect in every backward pass.
 */
class CurvatureSource : public ObservedLayer {
 public:
  CurvatureSource();
  ~CurvatureSource() override;

  /** Attaches an observer until the handle goes; several may coexist. Throws
   * ValueError for none. */
  ObservationHandle observe(std::shared_ptr<CurvatureObserver> observer);

  virtual CurvatureKind curvature_kind() const = 0;
  /** The preconditioned tensor: weight (O,I/g,kh,kw), (O,I) or (V,E). */
  virtual Tensor curvature_weight() const = 0;
  /** Conv2d: the window. Padding that depends on the input (`same`) is only
   * known in a CurvatureRecord. */
  virtual Conv2dGeometry curvature_geometry() const { return {}; }
  /** The bias (O) whose gradient is dout too, so that it may join the weight's
   * block as the weight of one more input that is always 1. Undefined for a
   * layer without one. */
  virtual Tensor curvature_bias() const { return {}; }
  /** True if the layer wants its bias to join (DenseThorOptions::joint_bias).
   */
  virtual bool joint_bias() const { return false; }

  /**
   * Gives the layer sums of its own, or replaces them: an optimizer hands in
   * the observer it will read, so that nothing is gathered twice. Without one:
   * a KroneckerObserver that collects nothing until told to.
   */
  void enable_factors(std::shared_ptr<FactorObserver> factors = nullptr);
  /** The layer's own sums, null while dormant. */
  const std::shared_ptr<FactorObserver>& factors() const noexcept;
  /** What its own sums gather from the next backward pass on. Throws
   * ValueError while dormant. */
  void collect(Collect what);

  /**
   * A = S_A / P_A (D,D) in weight order: channel slowest, then kh, then kw. Of
   * g groups: (g,D,D), one A per group. With a joint bias D counts the constant
   * input too, as the last one. Embedding: the share of each id, (V). Throws
   * ValueError if nothing was collected, naming the missing call.
   */
  Tensor matrix_a() const;
  /** G = S_G / P_G (O,O), or (g,O/g,O/g), unscaled. Throws like matrix_a(). */
  Tensor matrix_g() const;
  /**
   * Adds dout to S_G and P_G alone, collecting or not, and returns the same
   * handle. While its sums collect factors, every backward pass adds just that,
   * once per use, together with S_A; it needs no call, and makes none: the
   * graph may outlive the layer. Throws ShapeError for a dout that is not the
   * layer's.
   */
  Tensor save_gradient(const Tensor& dout);

 protected:
  /** Called by the layer's forward: y = layer(x). Hands (x, dy) to the
   * observers in every backward pass through y. Free when dormant. Without
   * `samples` the first axis of x counts them. */
  void watch(const Tensor& x, const Tensor& y,
             const Conv2dGeometry& geometry = {}, std::int64_t samples = -1);

 private:
  const FactorObserver& collected(const char* call) const;

  std::shared_ptr<FactorObserver> factors_;
};

/** The curvature of a layer: matrix_a(), matrix_g(), save_gradient(). Throws
 * ValueError for a module that is no CurvatureSource. */
CurvatureSource& curvature(Module& layer);

}  // namespace mjolnir
