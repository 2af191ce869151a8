#include <mjolnir/curvature/ladder.h>

#include <cmath>
#include <cstddef>

#include <mjolnir/core/events.h>

#include "core/detail/number.h"
#include "curvature/detail/label.h"

namespace mjolnir {
namespace {

constexpr int most_raises = 3;

std::size_t index(Ladder::Side side) { return static_cast<std::size_t>(side); }

const char* name_of(Ladder::Side side) {
  return side == Ladder::Side::A ? "A" : "G";
}

}  // namespace

void Ladder::report(long step, const std::string& what) const {
  emit(Severity::Warning, "ladder",
       detail::label(layer_) + ", step " + std::to_string(step) + ": " + what);
}

double Ladder::factor(Side side) const noexcept {
  return std::pow(10.0, raised_[index(side)]);
}

void Ladder::not_finite(long step, const std::string& what) {
  ++counts_.not_finite;
  report(step, what + " is not finite");
}

bool Ladder::raise(Side side, long step, const std::string& why) {
  int& raised = raised_[index(side)];
  const std::string failed =
      std::string("the damped factor ") + name_of(side) + " is " + why;
  if (raised == most_raises) {
    report(step, failed + " at 1000 times its damping");
    return false;
  }
  ++raised;
  ++counts_.raised;
  report(step, failed + "; its damping is now multiplied by " +
                   std::to_string(static_cast<int>(factor(side))));
  return true;
}

void Ladder::visit_state(StateVisitor& visitor) {
  for (int& raised : raised_) visitor.integer(raised, 0, most_raises);
  for (std::int64_t* count :
       {&counts_.not_finite, &counts_.raised, &counts_.kept, &counts_.scalar,
        &counts_.skipped, &counts_.no_basis}) {
    visitor.integer(*count, 0, INT64_MAX);
  }
}

void Ladder::relax(Side side) noexcept {
  int& raised = raised_[index(side)];
  if (raised > 0) --raised;
}

void Ladder::no_basis(Side side, long step, const std::string& why) {
  ++counts_.no_basis;
  report(step, std::string("the factor ") + name_of(side) + " is " + why);
}

void Ladder::keep(long step, const std::string& what) {
  ++counts_.kept;
  report(step, "the last good " + what + " stays in use");
}

void Ladder::use_scalar(long step, double denominator) {
  ++counts_.scalar;
  report(step, "no inverse yet; the gradient is divided by " +
                   detail::number(denominator));
}

void Ladder::skip(long step, const std::string& why) {
  ++counts_.skipped;
  report(step, why + "; the tensor is left alone in this step");
}

}  // namespace mjolnir
