#pragma once

#include <cstdint>
#include <string>

#include "core/detail/check.h"

namespace mjolnir::detail {

/** a + b. Throws ShapeError where that leaves 64 bits. */
inline std::int64_t checked_add(const char* op, std::int64_t a,
                                std::int64_t b) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    throw ShapeError(prefix(op) + "expected lengths below 2^63, got " +
                     std::to_string(a) + " + " + std::to_string(b));
  }
  return sum;
}

/** a b. Throws ShapeError where that leaves 64 bits. */
inline std::int64_t checked_multiply(const char* op, std::int64_t a,
                                     std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    throw ShapeError(prefix(op) + "expected lengths below 2^63, got " +
                     std::to_string(a) + " times " + std::to_string(b));
  }
  return product;
}

}  // namespace mjolnir::detail
