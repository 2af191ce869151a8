#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/core/trace.h>

#include <limits>

#include "core/detail/axes.h"
#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/detail/reduce.h"

namespace mjolnir {
namespace {

using detail::Reduced;

Tensor empty_for(const Tensor& x, const Shape& shape, DType dtype) {
  TensorOptions options;
  options.dtype = dtype;
  if (shape.rank() == 4) options.layout = x.layout();
  return Tensor::empty(shape, options);
}

// y = sum(x) / divisor over the reduced axes
Tensor sum_over(const char* name, const Tensor& input, const Axes& axes,
                bool keep_dims, bool divide) {
  check_floating(name, input);
  const Reduced reduced(name, input.shape(), axes);
  const Tensor x = detail::reducible(input, reduced);
  const Tensor y =
      empty_for(x, keep_dims ? reduced.kept : reduced.dropped, x.dtype());
  const double divisor = divide ? static_cast<double>(reduced.count) : 1.0;
  dispatch_float(name, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::sum(detail::reduce_plan(x, reduced), x.data<T>(), divisor,
                 y.mutable_data<T>());
  });
  if (tracing())
    trace_note(y, {{"axes", axes}, {"keep_dims", std::int64_t{keep_dims}}});
  return make_op(name, {x}, y,
                 [kept = reduced.kept, shape = x.shape(), layout = x.layout(),
                  divisor](const Tensor& dy, const BackwardContext&) {
                   const Tensor share = divisor == 1.0 ? dy : div(dy, divisor);
                   return std::vector<Tensor>{
                       detail::expand(reshape(share, kept), shape, layout)};
                 });
}

}  // namespace

Tensor sum(const Tensor& x) {
  check_floating("sum", x);
  return sum_over("sum", x, detail::all_axes(x.shape()), false, false);
}

Tensor sum(const Tensor& x, const Axes& axes, bool keep_dims) {
  return sum_over("sum", x, axes, keep_dims, false);
}

Tensor mean(const Tensor& x) {
  check_floating("mean", x);
  return sum_over("mean", x, detail::all_axes(x.shape()), false, true);
}

Tensor mean(const Tensor& x, const Axes& axes, bool keep_dims) {
  return sum_over("mean", x, axes, keep_dims, true);
}

Tensor var(const Tensor& x, const Axes& axes, const VarOptions& options) {
  check_floating("var", x);
  const Reduced reduced("var", x.shape(), axes);
  const Tensor centred = sub(x, mean(x, axes, true));
  const double freedom =
      static_cast<double>(reduced.count - options.correction);
  return div(
      sum(pow(centred, 2.0), axes, options.keep_dims),
      freedom > 0.0 ? freedom : std::numeric_limits<double>::quiet_NaN());
}

// ---- the largest element ---------------------------------------------------

namespace {

// Positions of elements in a tensor's memory, for each element of a result.
struct Places {
  Tensor index;   // i64
  Shape shape;    // of the tensor
  Layout layout;  // of the tensor
};

Tensor place(const Tensor& dy, const Places& places);

// y_i = x[index_i]
Tensor take(const char* name, const Tensor& x, const Places& places) {
  const Tensor y = empty_for(x, places.index.shape(), x.dtype());
  dispatch_float(name, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::take(y.numel(), places.index.data<std::int64_t>(), x.data<T>(),
                  y.mutable_data<T>());
  });
  return make_op(name, {x}, y,
                 [places](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{place(dy, places)};
                 });
}

// The adjoint: dx[index_i] = dy_i, 0 elsewhere
Tensor place(const Tensor& given, const Places& places) {
  const Tensor dy = given.to(places.index.layout());
  const Tensor dx = Tensor::empty(places.shape, {dy.dtype(), places.layout});
  dispatch_float("max_place", dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::place(dy.numel(), places.index.data<std::int64_t>(), dy.data<T>(),
                   dx.numel(), dx.mutable_data<T>());
  });
  return make_op("max_place", {dy}, dx,
                 [places](const Tensor& ddx, const BackwardContext&) {
                   return std::vector<Tensor>{
                       take("max_take", ddx.to(places.layout), places)};
                 });
}

void check_not_empty(const char* op, const Tensor& x, std::int64_t count) {
  if (count == 0) {
    throw ShapeError("[" + std::string(op) +
                     "] no elements to choose from in shape " +
                     x.shape().str());
  }
}

// Positions of the largest elements of x, in row-major order.
Tensor largest(const Tensor& x, const Reduced& reduced, const Shape& shape) {
  TensorOptions options;
  options.dtype = DType::I64;
  const Tensor index = Tensor::empty(shape, options);
  dispatch_float("max", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::argmax(detail::reduce_plan(x, reduced), x.data<T>(),
                    index.mutable_data<std::int64_t>());
  });
  return index;
}

}  // namespace

Tensor max(const Tensor& x) {
  check_floating("max", x);
  return max(x, detail::all_axes(x.shape()), false);
}

Tensor max(const Tensor& input, const Axes& axes, bool keep_dims) {
  check_floating("max", input);
  const Reduced reduced("max", input.shape(), axes);
  check_not_empty("max", input, reduced.count);
  const Tensor x = input.to(Layout::RowMajor);
  const Tensor index =
      largest(x, reduced, keep_dims ? reduced.kept : reduced.dropped);
  return take("max", x, {index, x.shape(), x.layout()});
}

Tensor argmax(const Tensor& input, std::int64_t axis) {
  check_floating("argmax", input);
  const Reduced reduced("argmax", input.shape(), {axis});
  check_not_empty("argmax", input, reduced.count);
  const NoGrad guard;
  const Tensor x = input.to(Layout::RowMajor);
  const Tensor index = largest(x, reduced, reduced.dropped);
  const std::size_t i = normalize_axis("argmax", axis, x.rank());
  const std::int64_t stride = detail::strides_of(x.shape(), x.layout())[i];
  kernels::axis_position(index.numel(), stride, x.shape()[i],
                         index.mutable_data<std::int64_t>());
  return index;
}

}  // namespace mjolnir
