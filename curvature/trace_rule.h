#pragma once

#include <cstdint>

#include <mjolnir/core/state.h>

namespace mjolnir {

/** What tau of a look is compared with. */
enum class TraceReference : std::uint8_t {
  LastLook,    ///< The paper's F^(k-1).
  LastRefresh  ///< A slow drift then adds up until it shows.
};

/** Options of TraceRule; the published pairs (w1, w2) are THOR (0.01, 0),
 * THOR_stop (0.01, 0.001) and THOR_NT (0, 0). */
struct TraceRuleOptions {
  double refresh_above = 0.01;  ///< w1; with 0 every look refreshes.
  double freeze_below = 0.0;    ///< w2, at most w1; with 0 nothing freezes.
  TraceReference reference = TraceReference::LastLook;
};

/** What a look at a layer led to. */
enum class Verdict : std::uint8_t {
  Refresh,  ///< New factors and inverses.
  Keep,     ///< The inverses stay this time.
  Freeze    ///< They stay for good, and nothing is collected any more.
};

/** "refresh", "keep" or "freeze". */
const char* name_of(Verdict verdict) noexcept;

/** One look at one layer. */
struct TraceDecision {
  double trace = 0.0;           ///< tau = T tr A tr G.
  double reference = 0.0;       ///< tau it was compared with; 0 at first.
  double delta = 0.0;           ///< Relative change, damping included.
  double delta_undamped = 0.0;  ///< The same with lambda = 0.
  double share = 0.0;           ///< tau / (tau + lambda C_out D).
  Verdict verdict = Verdict::Refresh;
};

/**
 * When one layer is refreshed: the rule of THOR (Chen et al., AAAI-21, section
 * 3.2), made precise. With tau = T tr A tr G, the trace of the layer's Fisher
 * block, and n = C_out D its rows,
 *
 *   Delta = |tau - tau_ref| / (tau_ref + lambda n),
 *
 * both terms of the paper's quotient with the present lambda. Delta > w1
 * refreshes, Delta < w2 freezes, anything else keeps. The first look refreshes,
 * and so does one whose denominator is 0 or whose tau is not finite (what is
 * wrong with the factors then shows in the ladder).
 */
class TraceRule {
 public:
  /** Throws ValueError unless 0 <= w2 <= w1. */
  explicit TraceRule(const TraceRuleOptions& options = {});

  /** Decides about a look and remembers tau. After Freeze every look freezes.
   * Throws ValueError for a negative damping or rows below 1. */
  TraceDecision look(double trace, double damping, double rows);

  bool frozen() const noexcept { return frozen_; }
  /** The tau that the next look is compared with; below 0 before the first. */
  double reference() const noexcept { return reference_; }
  const TraceRuleOptions& options() const noexcept { return options_; }

  /** Shows reference() and frozen(). */
  void visit_state(StateVisitor& visitor);

 private:
  Verdict judge(const TraceDecision& decision, double denominator) const;

  TraceRuleOptions options_;
  double reference_ = -1.0;
  bool frozen_ = false;
};

}  // namespace mjolnir
