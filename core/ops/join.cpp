#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/core/trace.h>

#include <string>

#include "core/detail/axes.h"
#include "core/detail/check.h"
#include "core/detail/checked.h"
#include "core/detail/copy.h"
#include "core/detail/dispatch.h"
#include "core/detail/elementwise.h"
#include "core/detail/tensor_impl.h"
#include "core/kernels/elementwise.h"

namespace mjolnir {
namespace {

using detail::strides_of;
using Widths = std::vector<std::pair<std::int64_t, std::int64_t>>;

// Element of a tensor where the box that starts at `begin` starts.
std::int64_t offset_of(const std::vector<std::int64_t>& begin,
                       const detail::Strides& strides) {
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < begin.size(); ++i) {
    offset += begin[i] * strides[i];
  }
  return offset;
}

}  // namespace

// ---- parts -----------------------------------------------------------------

Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t begin,
             std::int64_t end) {
  check_defined("slice", x);
  const std::size_t i = normalize_axis("slice", axis, x.rank());
  const std::int64_t length = x.shape()[i];
  const std::int64_t first = begin < 0 ? begin + length : begin;
  const std::int64_t last = end < 0 ? end + length : end;
  if (first < 0 || first > last || last > length) {
    throw ShapeError("[slice] expected [begin, end) within axis " +
                     std::to_string(axis) + " of shape " + x.shape().str() +
                     ", got [" + std::to_string(begin) + ", " +
                     std::to_string(end) + ")");
  }
  const Shape shape = x.shape().with(axis, last - first);
  const detail::Strides strides = strides_of(x.shape(), x.layout());
  Tensor y;
  if (i == 0) {
    y = detail::view(x, shape, first * strides[0]);
  } else {
    y = Tensor::empty(shape, x.options());
    detail::copy_region(shape, x.layout(), x, strides, first * strides[i], y,
                        strides_of(shape, y.layout()), 0);
  }
  Widths widths(x.rank());
  widths[i] = {first, length - last};
  if (tracing())
    trace_note(y, {{"axis", axis}, {"begin", first}, {"end", last}});
  return make_op("slice", {x}, y,
                 [widths](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{pad(dy, widths)};
                 });
}

Tensor pad(const Tensor& x, const Widths& widths, double value) {
  check_defined("pad", x);
  if (widths.size() != x.rank()) {
    throw ShapeError("[pad] expected " + std::to_string(x.rank()) +
                     " pairs of widths for shape " + x.shape().str() +
                     ", got " + std::to_string(widths.size()));
  }
  std::vector<std::int64_t> lengths = x.shape().to_vector(), begin;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    if (widths[i].first < 0 || widths[i].second < 0) {
      throw ShapeError("[pad] expected widths of 0 or more, got (" +
                       std::to_string(widths[i].first) + ", " +
                       std::to_string(widths[i].second) + ") for axis " +
                       std::to_string(i) + "; slice() removes elements");
    }
    lengths[i] = detail::checked_add("pad", lengths[i], widths[i].first);
    lengths[i] = detail::checked_add("pad", lengths[i], widths[i].second);
    begin.push_back(widths[i].first);
  }
  const Tensor y = Tensor::full(Shape(lengths), value, x.options());
  const detail::Strides strides = strides_of(y.shape(), y.layout());
  detail::copy_region(x.shape(), x.layout(), x,
                      strides_of(x.shape(), x.layout()), 0, y, strides,
                      offset_of(begin, strides));
  return make_op(
      "pad", {x}, y,
      [begin, shape = x.shape()](const Tensor& dy, const BackwardContext&) {
        Tensor dx = dy;
        for (std::size_t i = 0; i < begin.size(); ++i) {
          if (dx.shape()[i] == shape[i]) continue;
          dx = slice(dx, static_cast<std::int64_t>(i), begin[i],
                     begin[i] + shape[i]);
        }
        return std::vector<Tensor>{dx};
      });
}

// ---- joints ----------------------------------------------------------------

Tensor concat(const std::vector<Tensor>& tensors, std::int64_t axis) {
  if (tensors.empty()) throw ValueError("[concat] expected tensors, got none");
  for (const Tensor& x : tensors) check_defined("concat", x);
  const Tensor& first = tensors.front();
  const std::size_t i = normalize_axis("concat", axis, first.rank());
  std::vector<std::int64_t> bounds{0};
  for (const Tensor& x : tensors) {
    if (x.dtype() != first.dtype()) {
      throw ValueError("[concat] expected one dtype, got " +
                       std::string(name_of(first.dtype())) + " and " +
                       name_of(x.dtype()));
    }
    if (x.rank() != first.rank() ||
        x.shape().with(axis, 0) != first.shape().with(axis, 0)) {
      throw ShapeError("[concat] expected shapes that differ along axis " +
                       std::to_string(axis) + " alone, got " +
                       first.shape().str() + " and " + x.shape().str());
    }
    bounds.push_back(bounds.back() + x.shape()[i]);
  }
  TensorOptions options = first.options();
  if (first.rank() == 4) options.layout = detail::common_layout(tensors);
  const Tensor y =
      Tensor::empty(first.shape().with(axis, bounds.back()), options);
  const detail::Strides strides = strides_of(y.shape(), y.layout());
  for (std::size_t k = 0; k < tensors.size(); ++k) {
    const Tensor& x = tensors[k];
    detail::copy_region(x.shape(), y.layout(), x,
                        strides_of(x.shape(), x.layout()), 0, y, strides,
                        bounds[k] * strides[i]);
  }
  if (tracing()) trace_note(y, {{"axis", axis}});
  return make_op(
      "concat", tensors, y,
      [bounds, axis](const Tensor& dy, const BackwardContext& context) {
        std::vector<Tensor> dx(bounds.size() - 1);
        for (std::size_t k = 0; k < dx.size(); ++k) {
          if (!context.needs(k)) continue;
          dx[k] = slice(dy, axis, bounds[k], bounds[k + 1]);
        }
        return dx;
      });
}

Tensor stack(const std::vector<Tensor>& tensors, std::int64_t axis) {
  if (tensors.empty()) throw ValueError("[stack] expected tensors, got none");
  for (const Tensor& x : tensors) check_defined("stack", x);
  const Shape& shape = tensors.front().shape();
  const std::size_t i = normalize_axis("stack", axis, shape.rank() + 1);
  std::vector<std::int64_t> lengths = shape.to_vector();
  lengths.insert(lengths.begin() + static_cast<std::ptrdiff_t>(i), 1);
  std::vector<Tensor> thin;
  for (const Tensor& x : tensors) {
    if (x.shape() != shape) {
      throw ShapeError("[stack] expected one shape, got " + shape.str() +
                       " and " + x.shape().str());
    }
    thin.push_back(reshape(x, Shape(lengths)));
  }
  return concat(thin, axis);
}

// ---- choice ----------------------------------------------------------------

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  check_same_dtype("where", a, b);
  if (!condition.defined() || condition.dtype() != DType::U8) {
    throw ValueError("[where] expected a condition of u8" +
                     (condition.defined()
                          ? std::string(", got ") + name_of(condition.dtype())
                          : std::string()));
  }
  const Shape shape = detail::broadcast_shape(
      "where", condition.shape(),
      detail::broadcast_shape("where", a.shape(), b.shape()));
  TensorOptions options;
  options.dtype = a.dtype();
  if (shape.rank() == 4) {
    options.layout = detail::common_layout({a, b, condition});
  }
  const Tensor y = Tensor::empty(shape, options);
  dispatch_float("where", a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::where(
        detail::broadcast_nest(shape, options.layout, {&condition, &a, &b}),
        condition.data<std::uint8_t>(), a.data<T>(), b.data<T>(),
        y.mutable_data<T>());
  });
  if (tracing()) trace_note(y, {}, {condition});
  return make_op("where", {a, b}, y,
                 [saved = Saved(condition), sa = a.shape(), sb = b.shape()](
                     const Tensor& dy, const BackwardContext& context) {
                   const Tensor zero = Tensor::scalar(0.0, dy.dtype());
                   const Tensor kept = saved.get();
                   std::vector<Tensor> dx(2);
                   if (context.needs(0))
                     dx[0] = sum_to(where(kept, dy, zero), sa);
                   if (context.needs(1))
                     dx[1] = sum_to(where(kept, zero, dy), sb);
                   return dx;
                 });
}

}  // namespace mjolnir
