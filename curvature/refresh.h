#pragma once

#include <string>

#include <mjolnir/core/error.h>
#include <mjolnir/curvature/trace_rule.h>

namespace mjolnir {

/**
 * When the layers of a model get new factors and inverses. Every `frequency`
 * steps, from step 0 on, an optimizer looks at each layer. `Fixed` refreshes at
 * every look; the trace rule of THOR decides by the change of the layer's trace
 * (see TraceRule), from whose options a rule is made implicitly. Each of its
 * decisions is an event of topic "decision".
 */
class RefreshRule {
 public:
  /** Fixed. */
  RefreshRule() = default;
  /** The trace rule. Throws what TraceRule throws. */
  RefreshRule(const TraceRuleOptions& options)
      : fixed_(false), options_(TraceRule(options).options()) {}

  static RefreshRule fixed() { return {}; }
  /** The published pairs (w1, w2). */
  static RefreshRule thor() { return trace(0.01, 0.0); }
  static RefreshRule thor_stop() { return trace(0.01, 0.001); }
  static RefreshRule thor_nt() { return trace(0.0, 0.0); }
  /** Refresh above w1, freeze below w2. */
  static RefreshRule trace(double w1, double w2) {
    TraceRuleOptions options;
    options.refresh_above = w1;
    options.freeze_below = w2;
    return options;
  }

  bool is_fixed() const noexcept { return fixed_; }
  /** Of the rule each layer gets; Fixed is (0, 0). */
  const TraceRuleOptions& options() const noexcept { return options_; }
  /** True if some looks gather traces alone. */
  bool needs_traces() const noexcept { return options_.refresh_above > 0.0; }

 private:
  bool fixed_ = true;
  TraceRuleOptions options_{0.0, 0.0, TraceReference::LastLook};
};

/** Which steps are looks: every `frequency`-th, from step 0 on. */
class LookSchedule {
 public:
  /** Throws ValueError for a frequency below 1, or below 2 with a trace rule:
   * factors follow a look by a step. */
  LookSchedule(long frequency, const RefreshRule& rule)
      : frequency_(frequency) {
    const long least = rule.is_fixed() ? 1 : 2;
    if (frequency >= least) return;
    throw ValueError("[refresh] expected a frequency of at least " +
                     std::to_string(least) +
                     (rule.is_fixed() ? "" : " with the trace rule") +
                     ", got " + std::to_string(frequency));
  }
  bool looks_at(long step) const noexcept { return step % frequency_ == 0; }

 private:
  long frequency_;
};

}  // namespace mjolnir
