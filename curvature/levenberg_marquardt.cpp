#include <mjolnir/curvature/levenberg_marquardt.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <mjolnir/core/error.h>

#include "core/detail/number.h"

namespace mjolnir {
namespace {

void require(bool condition, const char* expected, double value) {
  if (condition) return;
  throw ValueError("[levenberg_marquardt] expected " + std::string(expected) +
                   ", got " + detail::number(value));
}

}  // namespace

LevenbergMarquardt::LevenbergMarquardt(double initial,
                                       const LevenbergMarquardtOptions& options)
    : options_(options),
      damping_(initial),
      ratio_(std::numeric_limits<double>::quiet_NaN()) {
  require(initial > 0.0 && std::isfinite(initial),
          "a first damping above 0 and finite", initial);
  require(options.period >= 1, "a period of at least 1",
          static_cast<double>(options.period));
  require(options.omega > 0.0 && options.omega < 1.0, "omega in (0, 1)",
          options.omega);
  require(options.least > 0.0 && options.least <= options.most &&
              std::isfinite(options.most),
          "0 < least <= most", options.least);
  damping_ = std::clamp(initial, options.least, options.most);
}

bool LevenbergMarquardt::measures(long step) const noexcept {
  return (step + 1) % options_.period == 0;
}

void LevenbergMarquardt::adapt(double change, double predicted) {
  ratio_ = change / predicted;
  const double factor =
      std::pow(options_.omega, static_cast<double>(options_.period));
  if (ratio_ > 0.75) {
    damping_ *= factor;
  } else if (!(ratio_ >= 0.25)) {
    damping_ /= factor;
  }
  damping_ = std::clamp(damping_, options_.least, options_.most);
}

void LevenbergMarquardt::visit_state(StateVisitor& visitor) {
  const double damping = visitor.number(damping_);
  visitor.require(damping >= options_.least && damping <= options_.most,
                  "damping", "is outside its bounds");
  visitor.number(ratio_);
}

}  // namespace mjolnir
