#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "core/detail/check.h"

namespace mjolnir::detail {

/** A length as BLAS and LAPACK take it. Throws ShapeError above 2^31 - 1. */
inline int blas_int(const char* op, std::int64_t n) {
  if (n > std::numeric_limits<int>::max()) {
    throw ShapeError(prefix(op) + "expected lengths below 2^31, got " +
                     std::to_string(n) + ", which BLAS cannot index");
  }
  return static_cast<int>(n);
}

}  // namespace mjolnir::detail
