#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/core/trace.h>

#include <numeric>
#include <string>

#include "core/detail/axes.h"
#include "core/detail/check.h"
#include "core/detail/checked.h"
#include "core/detail/copy.h"
#include "core/detail/reduce.h"
#include "core/detail/tensor_impl.h"

namespace mjolnir {

// ---- the same elements in order --------------------------------------------

Tensor reshape(const Tensor& input, const Shape& shape) {
  check_defined("reshape", input);
  if (input.numel() != shape.numel()) {
    throw ShapeError("[reshape] expected a shape of " +
                     std::to_string(input.numel()) + " elements for " +
                     input.shape().str() + ", got " + shape.str() +
                     "; one length may be -1 and follows from the rest");
  }
  const Tensor x = input.to(Layout::RowMajor);
  return make_op("reshape", {x}, detail::view(x, shape),
                 [own = x.shape()](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{reshape(dy, own)};
                 });
}

Tensor reshape(const Tensor& x, const std::vector<std::int64_t>& lengths) {
  check_defined("reshape", x);
  std::vector<std::int64_t> full = lengths;
  std::int64_t known = 1;
  std::int64_t* open = nullptr;
  for (std::int64_t& length : full) {
    if (length == -1 && open == nullptr) {
      open = &length;
    } else if (length < 0) {
      throw ShapeError(
          "[reshape] expected lengths of 0 or more and at most "
          "one -1, got another " +
          std::to_string(length));
    } else {
      known = detail::checked_multiply("reshape", known, length);
    }
  }
  if (open != nullptr) {
    if (known == 0 || x.numel() % known != 0) {
      throw ShapeError("[reshape] expected a whole length for -1, got " +
                       std::to_string(x.numel()) + " elements of shape " +
                       x.shape().str() + " in parts of " +
                       std::to_string(known));
    }
    *open = x.numel() / known;
  }
  return reshape(x, Shape(full));
}

Tensor reshape(const Tensor& x, std::initializer_list<std::int64_t> lengths) {
  return reshape(x, std::vector<std::int64_t>(lengths));
}

Tensor flatten(const Tensor& x, std::int64_t start_axis) {
  check_defined("flatten", x);
  const std::size_t start = normalize_axis("flatten", start_axis, x.rank());
  std::vector<std::int64_t> lengths(x.shape().begin(),
                                    x.shape().begin() + start);
  std::int64_t rest = 1;
  for (std::size_t i = start; i < x.rank(); ++i) rest *= x.shape()[i];
  lengths.push_back(rest);
  return reshape(x, Shape(lengths));
}

// ---- another order ---------------------------------------------------------

Tensor permute(const Tensor& x, const Axes& axes) {
  check_defined("permute", x);
  const std::size_t rank = x.rank();
  std::vector<std::int64_t> lengths, inverse(rank, -1);
  for (const std::int64_t axis : axes) {
    const std::size_t i = normalize_axis("permute", axis, rank);
    if (inverse[i] != -1) {
      throw ShapeError("[permute] axis " + std::to_string(axis) +
                       " is given twice for shape " + x.shape().str());
    }
    inverse[i] = static_cast<std::int64_t>(lengths.size());
    lengths.push_back(x.shape()[i]);
  }
  if (lengths.size() != rank) {
    throw ShapeError("[permute] expected " + std::to_string(rank) +
                     " axes for shape " + x.shape().str() + ", got " +
                     std::to_string(axes.size()));
  }
  TensorOptions options;
  options.dtype = x.dtype();
  const Tensor y = Tensor::empty(Shape(lengths), options);
  detail::Strides from{};
  const detail::Strides own = detail::strides_of(x.shape(), x.layout());
  for (std::size_t i = 0; i < rank; ++i) {
    from[static_cast<std::size_t>(inverse[i])] = own[i];
  }
  detail::copy_region(y.shape(), Layout::RowMajor, x, from, 0, y,
                      detail::strides_of(y.shape(), y.layout()), 0);
  if (tracing()) trace_note(y, {{"axes", axes}});
  return make_op("permute", {x}, y,
                 [inverse](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{permute(dy, inverse)};
                 });
}

Tensor transpose(const Tensor& x, std::int64_t a, std::int64_t b) {
  check_defined("transpose", x);
  const std::size_t first = normalize_axis("transpose", a, x.rank());
  const std::size_t second = normalize_axis("transpose", b, x.rank());
  Axes axes = detail::all_axes(x.shape());
  std::swap(axes[first], axes[second]);
  return permute(x, axes);
}

// ---- repetition ------------------------------------------------------------

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  check_defined("broadcast_to", x);
  const Layout layout =
      x.rank() == 4 && shape.rank() == 4 ? x.layout() : Layout::RowMajor;
  return detail::expand(x, shape, layout);
}

Tensor detail::expand(const Tensor& x, const Shape& shape, Layout layout) {
  if (x.shape() == shape) return x;
  if (broadcast_shape("broadcast_to", x.shape(), shape) != shape) {
    throw ShapeError("[broadcast_to] expected a shape that " + x.shape().str() +
                     " repeats to, got " + shape.str());
  }
  const Tensor y = Tensor::empty(shape, {x.dtype(), layout});
  detail::copy_broadcast(x, y);
  return make_op("broadcast_to", {x}, y,
                 [own = x.shape()](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{sum_to(dy, own)};
                 });
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  check_defined("sum_to", x);
  if (x.shape() == shape) return x;
  if (detail::broadcast_shape("sum_to", x.shape(), shape) != x.shape()) {
    throw ShapeError("[sum_to] expected a shape that repeats to " +
                     x.shape().str() + ", got " + shape.str());
  }
  const std::size_t lead = x.rank() - shape.rank();
  Axes axes;
  for (std::size_t i = 0; i < x.rank(); ++i) {
    if (i < lead || (shape[i - lead] == 1 && x.shape()[i] != 1)) {
      axes.push_back(static_cast<std::int64_t>(i));
    }
  }
  return reshape(sum(x, axes, true), shape);
}

}  // namespace mjolnir
