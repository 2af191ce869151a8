#pragma once

#include <cmath>
#include <string>

#include "core/detail/check.h"
#include "core/detail/number.h"

namespace mjolnir::detail {

/** The elements of an optional argument; null where it is undefined. */
template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

/** The same to write to. */
template <class T>
T* mutable_or_null(const Tensor& x) {
  return x.defined() ? x.mutable_data<T>() : nullptr;
}

/** Throws ValueError or ShapeError unless an optional parameter is undefined,
 * or of x's dtype and that shape. */
inline void check_parameter(const char* op, const char* name, const Tensor& x,
                            const Tensor& parameter, const Shape& shape) {
  if (!parameter.defined()) return;
  check_same_dtype(op, x, parameter);
  check_shape(op, name, parameter, shape);
}

/** Throws ValueError unless epsilon is finite and at least 0. */
inline void check_epsilon(const char* op, double epsilon) {
  if (!(epsilon >= 0) || std::isinf(epsilon)) {
    throw ValueError(prefix(op) + "expected a finite epsilon of at least 0, " +
                     "got " + number(epsilon));
  }
}

}  // namespace mjolnir::detail
