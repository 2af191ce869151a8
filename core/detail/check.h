#pragma once

#include <string>

#include <mjolnir/core/tensor.h>

namespace mjolnir::detail {

inline std::string prefix(const char* op) {
  return "[" + std::string(op) + "] ";
}

/** Throws ValueError unless the tensor is defined. */
inline void check_defined(const char* op, const Tensor& x) {
  if (!x.defined()) {
    throw ValueError(prefix(op) + "expected a tensor, got an undefined one");
  }
}

/** Throws ValueError unless the tensor is defined and f32 or f64. */
inline void check_floating(const char* op, const Tensor& x) {
  check_defined(op, x);
  if (!is_floating(x.dtype())) {
    throw ValueError(prefix(op) + "expected f32 or f64, got " +
                     name_of(x.dtype()) + "; convert with to(DType::F32)");
  }
}

/** Throws ValueError unless both dtypes are the same floating one. */
inline void check_same_dtype(const char* op, const Tensor& a, const Tensor& b) {
  check_floating(op, a);
  check_floating(op, b);
  if (a.dtype() != b.dtype()) {
    throw ValueError(prefix(op) + "expected one dtype, got " +
                     name_of(a.dtype()) + " and " + name_of(b.dtype()) +
                     "; convert one with to()");
  }
}

/** Throws ShapeError unless the tensor has that rank. */
inline void check_rank(const char* op, const char* name, const Tensor& x,
                       std::size_t rank) {
  if (x.rank() != rank) {
    throw ShapeError(prefix(op) + "expected " + name + " of rank " +
                     std::to_string(rank) + ", got shape " + x.shape().str());
  }
}

/** Throws ShapeError unless the tensor has that shape. */
inline void check_shape(const char* op, const char* name, const Tensor& x,
                        const Shape& shape) {
  if (x.shape() != shape) {
    throw ShapeError(prefix(op) + "expected " + name + " of shape " +
                     shape.str() + ", got " + x.shape().str());
  }
}

}  // namespace mjolnir::detail

namespace mjolnir {
using detail::check_defined;
using detail::check_floating;
using detail::check_rank;
using detail::check_same_dtype;
using detail::check_shape;
}  // namespace mjolnir
