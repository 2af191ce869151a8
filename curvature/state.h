#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/damping.h>
#include <mjolnir/curvature/ladder.h>
#include <mjolnir/curvature/trace_rule.h>

namespace mjolnir {

/** How often the looks at a layer came to each verdict. */
struct LookCounts {
  long refresh = 0;
  long keep = 0;
  long freeze = 0;  ///< 0 or 1: nobody looks at a frozen layer.
};

/** A look at one layer, by name, and what it led to. */
struct RefreshDecision {
  std::string layer;
  long step = 0;
  double damping = 0;  ///< lambda then.
  TraceDecision trace;
};

/** What a layer's Fisher block is made of. */
enum class BlockKind : std::uint8_t {
  Kronecker,   ///< T (G kron A)
  ScaleShift,  ///< A 2x2 matrix per pair of a normalization layer.
};

/** What an optimizer knows of the curvature of one layer, or of one group of a
 * grouped convolution. Of a scale-shift block A is 1 and T too, and G the 2x2
 * matrices of all units, `rows` of them. */
struct LayerCurvature {
  std::string name;  ///< Dotted name of the layer.
  BlockKind kind = BlockKind::Kronecker;
  std::int64_t group = 0;    ///< Of its `groups`.
  std::int64_t groups = 1;   ///< 1 but for grouped convolutions.
  std::int64_t rows = 0;     ///< Of the gradient as a matrix: C_out of the
  std::int64_t columns = 0;  ///< group, and D (with a joint bias D + 1).
  bool joint_bias = false;   ///< D counts the bias.
  double positions = 0;   ///< T at the last good refresh; 0 before the first.
  double mean_a = 0;      ///< tr A / D, the mean eigenvalue, then;
  double mean_g = 0;      ///< tr G / C_out;
  FactorDamping damping;  ///< as added to the diagonals, floor included.
  Preconditioner preconditioner = Preconditioner::None;
  long last_refresh = -1;  ///< Step of the last good inverse; -1 for none.
  long refreshes = 0;      ///< Good inverses so far.
  long age = -1;           ///< Steps since then; -1 for none.
  /** Cosine of the angle between g and g' in the last step; 1 is plain gradient
   * descent, whatever the damping is called. 0 before the first. */
  double cosine = 0;
  LookCounts looks;        ///< Of the layer.
  TraceDecision decision;  ///< Of the last look.
  long last_look = -1;     ///< Its step; -1 before the first.
  LadderCounts ladder;
};

/**
 * What a report may ask of an optimizer that uses curvature, without knowing
 * which one it is.
 */
class CurvatureState {
 public:
  virtual ~CurvatureState() = default;
  /** lambda at the step to come. */
  virtual double damping() const = 0;
  virtual std::vector<LayerCurvature> curvature() const = 0;
  /** Every look so far, oldest first. */
  virtual const std::vector<RefreshDecision>& decisions() const = 0;
  /** Inverse of a layer's damped A (D,D) and G (C_out,C_out), in weight order;
   * of groups (g,D,D) and (g,C_out/g,C_out/g), of an embedding (V) and (E,E).
   * Undefined before the first refresh. Throws ValueError for a layer without
   * factors. */
  virtual Tensor inverse_a(const std::string& layer) const = 0;
  virtual Tensor inverse_g(const std::string& layer) const = 0;
  /** Inverses of the damped blocks (units,2,2) of a normalization layer, f64.
   * Undefined before the first refresh. Throws ValueError for a layer without
   * such blocks. */
  virtual Tensor inverse_scale_shift(const std::string& layer) const;
};

}  // namespace mjolnir
