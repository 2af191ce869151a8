#pragma once

#include <cmath>
#include <string>

#include <mjolnir/core/error.h>

#include "core/detail/number.h"

namespace mjolnir::optim::detail {

/** Throws ValueError "[op] expected ..., got value" unless ok. */
inline void require(bool ok, const std::string& op, const std::string& expected,
                    double value) {
  if (ok) return;
  throw ValueError("[" + op + "] expected " + expected + ", got " +
                   mjolnir::detail::number(value));
}

/** Throws ValueError unless the option is a finite number of at least 0. */
inline void require_at_least_zero(const char* op, const std::string& option,
                                  double value) {
  require(value >= 0.0 && std::isfinite(value), op,
          option + " of at least 0 and finite", value);
}

/** Throws ValueError unless the option is a finite number above 0. */
inline void require_positive(const char* op, const std::string& option,
                             double value) {
  require(value > 0.0 && std::isfinite(value), op,
          option + " above 0 and finite", value);
}

/** Throws ValueError unless the option is in [0, 1). */
inline void require_fraction(const char* op, const std::string& option,
                             double value) {
  require(value >= 0.0 && value < 1.0, op, option + " in [0, 1)", value);
}

/** Throws ValueError unless the option is a finite number. */
inline void require_finite(const char* op, const std::string& option,
                           double value) {
  require(std::isfinite(value), op, "a finite " + option, value);
}

}  // namespace mjolnir::optim::detail
