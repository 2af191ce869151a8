#pragma once

#include <cstdint>
#include <string>

#include <mjolnir/core/state.h>

namespace mjolnir {

/** What a layer preconditions with after a refresh. */
enum class Preconditioner : std::uint8_t {
  None,     ///< Nothing yet, or nothing usable: the tensor is left alone.
  Inverse,  ///< The inverses of the damped factors.
  Scalar,   ///< Division by the product of the mean damped eigenvalues.
};

/** How often each rung was taken. */
struct LadderCounts {
  std::int64_t not_finite = 0;  ///< A factor had a NaN or an infinity.
  std::int64_t raised = 0;      ///< The diagonal of one side times 10.
  std::int64_t kept = 0;        ///< The last good inverse stayed in use.
  std::int64_t scalar = 0;      ///< The scalar step took its place.
  std::int64_t skipped = 0;     ///< The tensor was left alone in a step.
  std::int64_t no_basis = 0;    ///< Ekfac: a side's eigenvectors were no use.
};

/**
 * What happens to one layer when its factors cannot be inverted. A failed
 * Cholesky multiplies the diagonal added to that side by 10, at most three
 * times; a good refresh takes one factor of 10 back from a side that needed no
 * raising. Then the last good inverse stays; without one the step is divided
 * by a scalar; if that scalar is useless the tensor is left alone. Every rung
 * is counted and emitted as an event of topic "ladder" with layer, step and
 * reason.
 */
class Ladder {
 public:
  enum class Side : std::uint8_t { A, G };

  explicit Ladder(std::string layer) : layer_(std::move(layer)) {}

  /** What the diagonal added to a side is multiplied by: 1, 10, 100, 1000. */
  double factor(Side side) const noexcept;

  void not_finite(long step, const std::string& what);
  /** One more factor of 10; false if there were three already. */
  bool raise(Side side, long step, const std::string& why);
  /** A good refresh inverted a side without raising. */
  void relax(Side side) noexcept;
  /** The eigenvectors of a side could not be had. */
  void no_basis(Side side, long step, const std::string& why);
  void keep(long step, const std::string& what = "inverse");
  void use_scalar(long step, double denominator);
  void skip(long step, const std::string& why);

  const LadderCounts& counts() const noexcept { return counts_; }

  /** Shows the counts and how far the diagonals are raised. */
  void visit_state(StateVisitor& visitor);

 private:
  void report(long step, const std::string& what) const;

  std::string layer_;
  int raised_[2] = {0, 0};
  LadderCounts counts_;
};

}  // namespace mjolnir
