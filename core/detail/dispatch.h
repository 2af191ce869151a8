#pragma once

#include <string>
#include <utility>

#include <mjolnir/core/error.h>
#include <mjolnir/core/types.h>

namespace mjolnir::detail {

/** Calls f with a value of the C++ type of a floating dtype. */
template <class F>
inline decltype(auto) dispatch_float(const char* op, DType dtype, F&& f) {
  if (dtype == DType::F32) return f(float{});
  if (dtype == DType::F64) return f(double{});
  throw ValueError("[" + std::string(op) + "] expected f32 or f64, got " +
                   name_of(dtype));
}

/** Calls f with a value of the C++ type of any dtype. */
template <class F>
inline decltype(auto) dispatch_any(DType dtype, F&& f) {
  switch (dtype) {
    case DType::F32:
      return f(float{});
    case DType::F64:
      return f(double{});
    case DType::I64:
      return f(std::int64_t{});
    case DType::U8:
      break;
  }
  return f(std::uint8_t{});
}

}  // namespace mjolnir::detail

namespace mjolnir {
using detail::dispatch_any;
using detail::dispatch_float;
}  // namespace mjolnir
