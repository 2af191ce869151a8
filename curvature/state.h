#pragma once

#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/curvature/damping.h>
#include <mjolnir/curvature/ladder.h>

namespace mjolnir {

/** What an optimizer knows of one layer's curvature. */
struct LayerCurvature {
  std::string name;       ///< Dotted name of the layer.
  double positions = 0;   ///< T at the last good refresh; 0 before the first.
  double mean_a = 0;      ///< tr A / D, the mean eigenvalue, then;
  double mean_g = 0;      ///< tr G / C_out;
  FactorDamping damping;  ///< as added to the diagonals, floor included.
  Preconditioner preconditioner = Preconditioner::None;
  long last_refresh = -1;  ///< Step of the last good inverse; -1 for none.
  long refreshes = 0;      ///< Good inverses so far.
  /** Cosine of the angle between g and g' in the last step; 1 is plain gradient
   * descent, whatever the damping is called. 0 before the first. */
  double cosine = 0;
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
  /** Inverse of a layer's damped A (D,D) and G (C_out,C_out), in weight order;
   * of an embedding (V) and (E,E). Undefined before the first refresh. Throws
   * ValueError for an unknown layer. */
  virtual Tensor inverse_a(const std::string& layer) const = 0;
  virtual Tensor inverse_g(const std::string& layer) const = 0;
};

}  // namespace mjolnir
