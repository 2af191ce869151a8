#pragma once

#include <cmath>
#include <string>

#include <mjolnir/core/error.h>

namespace mjolnir::optim::detail {

/** Throws ValueError unless the option is a number of at least 0. */
inline void require_at_least_zero(const char* op, const char* option,
                                  double value) {
  if (!(value >= 0.0) || std::isinf(value)) {
    throw ValueError("[" + std::string(op) + "] expected " + option +
                     " of at least 0, got " + std::to_string(value));
  }
}

/** Throws ValueError unless the option is a number above 0. */
inline void require_positive(const char* op, const char* option, double value) {
  if (!(value > 0.0) || std::isinf(value)) {
    throw ValueError("[" + std::string(op) + "] expected " + option +
                     " above 0, got " + std::to_string(value));
  }
}

/** Throws ValueError unless the option is in [0, 1). */
inline void require_fraction(const char* op, const char* option, double value) {
  if (!(value >= 0.0 && value < 1.0)) {
    throw ValueError("[" + std::string(op) + "] expected " + option +
                     " in [0, 1), got " + std::to_string(value));
  }
}

}  // namespace mjolnir::optim::detail
