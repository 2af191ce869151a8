#include <mjolnir/curvature/trace_rule.h>

#include <cmath>

#include <mjolnir/core/error.h>

#include "core/detail/number.h"

namespace mjolnir {
namespace {

/** 0 / 0 counts as no change. */
double ratio(double numerator, double denominator) {
  return numerator == 0.0 ? 0.0 : numerator / denominator;
}

}  // namespace

const char* name_of(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::Refresh:
      return "refresh";
    case Verdict::Keep:
      return "keep";
    case Verdict::Freeze:
      break;
  }
  return "freeze";
}

TraceRule::TraceRule(const TraceRuleOptions& options) : options_(options) {
  const double w1 = options.refresh_above;
  const double w2 = options.freeze_below;
  if (!(w2 >= 0.0 && w2 <= w1 && std::isfinite(w1))) {
    throw ValueError(
        "[trace_rule] expected 0 <= freeze_below <= refresh_above, got " +
        detail::number(w2) + " and " + detail::number(w1));
  }
}

TraceDecision TraceRule::look(double trace, double damping, double rows) {
  if (!(damping >= 0.0) || !(rows >= 1.0)) {
    throw ValueError(
        "[trace_rule] expected damping of at least 0 and at least one row, "
        "got " +
        detail::number(damping) + " and " + detail::number(rows));
  }
  const double damped = damping * rows;
  TraceDecision decision;
  decision.trace = trace;
  decision.share = ratio(trace, trace + damped);
  if (frozen_) {
    decision.reference = reference_;
    decision.verdict = Verdict::Freeze;
    return decision;
  }
  if (reference_ < 0.0 || !std::isfinite(trace)) {
    decision.verdict = Verdict::Refresh;
  } else {
    const double change = std::abs(trace - reference_);
    decision.reference = reference_;
    decision.delta = ratio(change, reference_ + damped);
    decision.delta_undamped = ratio(change, reference_);
    decision.verdict = judge(decision, reference_ + damped);
  }
  frozen_ = decision.verdict == Verdict::Freeze;
  const bool follows = options_.reference == TraceReference::LastLook ||
                       decision.verdict == Verdict::Refresh;
  if (std::isfinite(trace) && follows) reference_ = trace;
  return decision;
}

void TraceRule::visit_state(StateVisitor& visitor) {
  visitor.number(reference_);
  visitor.integer(frozen_);
}

Verdict TraceRule::judge(const TraceDecision& decision,
                         double denominator) const {
  if (options_.refresh_above == 0.0 || denominator == 0.0 ||
      decision.delta > options_.refresh_above) {
    return Verdict::Refresh;
  }
  return decision.delta < options_.freeze_below ? Verdict::Freeze
                                                : Verdict::Keep;
}

}  // namespace mjolnir
