#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/loss.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/trace.h>

#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/kernels/softmax.h"

namespace mjolnir {
namespace {

// A row-major tensor as (outer, classes, inner) around one axis.
struct Rows {
  Rows(const char* op, const Shape& shape, std::int64_t axis) {
    const std::size_t at = normalize_axis(op, axis, shape.rank());
    for (std::size_t i = 0; i < at; ++i) outer *= shape[i];
    classes = shape[at];
    for (std::size_t i = at + 1; i < shape.rank(); ++i) inner *= shape[i];
  }
  // True if the vector loops over contiguous rows apply.
  bool fast(const Tensor& x) const {
    return inner == 1 && x.dtype() == DType::F32 && backend() == Backend::Auto;
  }
  std::int64_t outer = 1, classes = 1, inner = 1;
};

}  // namespace

Tensor softmax(const Tensor& input, std::int64_t axis) {
  check_floating("softmax", input);
  const Rows rows("softmax", input.shape(), axis);
  const Tensor x = input.to(Layout::RowMajor);
  const Tensor y = Tensor::empty_like(x);
  if (rows.fast(x)) {
    kernels::softmax_fast(rows.outer, rows.classes, x.data<float>(),
                          y.mutable_data<float>());
  } else {
    dispatch_float("softmax", x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      kernels::softmax(rows.outer, rows.classes, rows.inner, x.data<T>(),
                       y.mutable_data<T>());
    });
  }
  if (tracing()) trace_note(y, {{"axis", axis}});
  return make_op("softmax", {x}, y,
                 [rows, axis, saved = Saved::output(y)](
                     const Tensor& given, const BackwardContext&) {
                   const Tensor y = saved.get();
                   if (grad_enabled()) {
                     const Tensor dot = sum(mul(y, given), {axis}, true);
                     return std::vector<Tensor>{mul(y, sub(given, dot))};
                   }
                   const Tensor dy = given.to(Layout::RowMajor);
                   const Tensor dx = Tensor::empty_like(y);
                   dispatch_float("softmax", y.dtype(), [&](auto tag) {
                     using T = decltype(tag);
                     kernels::softmax_gradient(
                         rows.outer, rows.classes, rows.inner, y.data<T>(),
                         dy.data<T>(), dx.mutable_data<T>());
                   });
                   return std::vector<Tensor>{dx};
                 });
}

Tensor log_softmax(const Tensor& input, std::int64_t axis) {
  check_floating("log_softmax", input);
  const Rows rows("log_softmax", input.shape(), axis);
  const Tensor x = input.to(Layout::RowMajor);
  const Tensor y = Tensor::empty_like(x);
  if (rows.fast(x)) {
    kernels::log_softmax_fast(rows.outer, rows.classes, x.data<float>(),
                              y.mutable_data<float>());
  } else {
    dispatch_float("log_softmax", x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      kernels::log_softmax(rows.outer, rows.classes, rows.inner, x.data<T>(),
                           y.mutable_data<T>());
    });
  }
  if (tracing()) trace_note(y, {{"axis", axis}});
  return make_op("log_softmax", {x}, y,
                 [rows, axis, saved = Saved::output(y)](
                     const Tensor& given, const BackwardContext&) {
                   const Tensor y = saved.get();
                   if (grad_enabled()) {
                     const Tensor total = sum(given, {axis}, true);
                     return std::vector<Tensor>{sub(given, mul(exp(y), total))};
                   }
                   const Tensor dy = given.to(Layout::RowMajor);
                   const Tensor dx = Tensor::empty_like(y);
                   dispatch_float("log_softmax", y.dtype(), [&](auto tag) {
                     using T = decltype(tag);
                     kernels::log_softmax_gradient(
                         rows.outer, rows.classes, rows.inner, y.data<T>(),
                         dy.data<T>(), dx.mutable_data<T>());
                   });
                   return std::vector<Tensor>{dx};
                 });
}

}  // namespace mjolnir
