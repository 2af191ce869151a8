#pragma once

#include <string>

#include <mjolnir/core/error.h>

namespace mjolnir {

/** Looks at every layer each `frequency` steps, from step 0 on, and refreshes
 * it: factors are collected and inverted in that step. */
class FixedRefresh {
 public:
  /** Throws ValueError for a frequency below 1. */
  explicit FixedRefresh(long frequency) : frequency_(frequency) {
    if (frequency < 1) {
      throw ValueError("[refresh] expected a frequency of at least 1, got " +
                       std::to_string(frequency));
    }
  }
  bool looks_at(long step) const noexcept { return step % frequency_ == 0; }

 private:
  long frequency_;
};

}  // namespace mjolnir
