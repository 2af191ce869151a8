#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/embedding.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/core/trace.h>

#include <string>

#include "core/detail/axes.h"
#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/kernels/index.h"

namespace mjolnir {
namespace {

const std::int64_t* indices(const Tensor& index) {
  return index.data<std::int64_t>();
}

// Row-major i64 indices, each within [0, length).
Tensor checked_index(const char* op, const char* name, const Tensor& index,
                     std::int64_t length) {
  if (!index.defined() || index.dtype() != DType::I64) {
    throw ValueError("[" + std::string(op) + "] expected " + name + " of i64" +
                     (index.defined()
                          ? std::string(", got ") + name_of(index.dtype())
                          : std::string()));
  }
  const Tensor rows = index.to(Layout::RowMajor);
  const std::int64_t bad =
      kernels::find_out_of_range(rows.numel(), indices(rows), length);
  if (bad >= 0) {
    throw ValueError("[" + std::string(op) + "] " + name + "[" +
                     std::to_string(bad) +
                     "] = " + std::to_string(indices(rows)[bad]) +
                     " is outside [0, " + std::to_string(length) + ")");
  }
  return rows;
}

// The adjoint of embedding(): dw (V,E) with dw[ids_i] the sum of dy_i
Tensor embedding_gradient(const Tensor& given, const Tensor& ids,
                          const Shape& shape) {
  const Tensor dy = given.to(Layout::RowMajor);
  TensorOptions options;
  options.dtype = dy.dtype();
  const Tensor dw = Tensor::empty(shape, options);
  dispatch_float("embedding", dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::embedding_gradient(ids.numel(), shape[0], shape[1], indices(ids),
                                dy.data<T>(), dw.mutable_data<T>());
  });
  return make_op(
      "embedding_gradient", {dy}, dw,
      [saved = Saved(ids)](const Tensor& ddw, const BackwardContext&) {
        return std::vector<Tensor>{embedding(ddw, saved.get())};
      });
}

}  // namespace

Tensor embedding(const Tensor& weight, const Tensor& given) {
  check_floating("embedding", weight);
  check_rank("embedding", "weight", weight, 2);
  const Tensor ids = checked_index("embedding", "ids", given, weight.size(0));
  std::vector<std::int64_t> lengths = ids.shape().to_vector();
  lengths.push_back(weight.size(1));
  TensorOptions options;
  options.dtype = weight.dtype();
  const Tensor y = Tensor::empty(Shape(lengths), options);
  dispatch_float("embedding", weight.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::embedding(ids.numel(), weight.size(1), indices(ids),
                       weight.data<T>(), y.mutable_data<T>());
  });
  if (tracing()) trace_note(y, {}, {given});
  return make_op(
      "embedding", {weight}, y,
      [saved = Saved(ids), shape = weight.shape()](const Tensor& dy,
                                                   const BackwardContext&) {
        return std::vector<Tensor>{embedding_gradient(dy, saved.get(), shape)};
      });
}

namespace {

std::int64_t length_of(const char* op, const Shape& shape, std::int64_t axis) {
  return shape[normalize_axis(op, axis, shape.rank())];
}

// The places of `index` in a row-major tensor of `shape`, but for the axis.
struct IndexedPlaces {
  IndexedPlaces(const char* op, const Shape& shape, std::int64_t given_axis,
                const Tensor& index) {
    const std::size_t axis = normalize_axis(op, given_axis, shape.rank());
    const Shape& own = index.shape();
    bool fits = own.rank() == shape.rank();
    for (std::size_t i = 0; fits && i < shape.rank(); ++i) {
      fits = i == axis || own[i] <= shape[i];
    }
    if (!fits) {
      throw ShapeError("[" + std::string(op) + "] index of shape " + own.str() +
                       " does not fit in " + shape.str() +
                       " along the axes other than " +
                       std::to_string(given_axis));
    }
    const detail::Strides strides = detail::strides_of(shape, Layout::RowMajor);
    stride = strides[axis];
    nest.rank = static_cast<int>(own.rank());
    nest.operands = 1;
    for (std::size_t i = 0; i < own.rank(); ++i) {
      nest.lengths[i] = own[i];
      nest.strides[0][i] = i == axis ? 0 : strides[i];
    }
    nest.collapse();
  }
  kernels::LoopNest nest;
  std::int64_t stride = 1;
};

}  // namespace

Tensor gather(const Tensor& input, std::int64_t axis, const Tensor& given) {
  check_floating("gather", input);
  const Tensor index = checked_index("gather", "index", given,
                                     length_of("gather", input.shape(), axis));
  const IndexedPlaces places("gather", input.shape(), axis, index);
  const Tensor x = input.to(Layout::RowMajor);
  TensorOptions options;
  options.dtype = x.dtype();
  const Tensor y = Tensor::empty(index.shape(), options);
  dispatch_float("gather", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::gather(places.nest, places.stride, indices(index), x.data<T>(),
                    y.mutable_data<T>());
  });
  return make_op("gather", {x}, y,
                 [axis, saved = Saved(index), shape = x.shape()](
                     const Tensor& dy, const BackwardContext&) {
                   TensorOptions like;
                   like.dtype = dy.dtype();
                   return std::vector<Tensor>{scatter_add(
                       Tensor::zeros(shape, like), axis, saved.get(), dy)};
                 });
}

Tensor scatter_add(const Tensor& base, std::int64_t axis, const Tensor& given,
                   const Tensor& source) {
  check_same_dtype("scatter_add", base, source);
  const Tensor index =
      checked_index("scatter_add", "index", given,
                    length_of("scatter_add", base.shape(), axis));
  const IndexedPlaces places("scatter_add", base.shape(), axis, index);
  check_shape("scatter_add", "source", source, index.shape());
  const Tensor x = source.to(Layout::RowMajor);
  const Tensor start = base.to(Layout::RowMajor);
  const Tensor y = start.clone();
  dispatch_float("scatter_add", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::scatter_add(places.nest, places.stride, index.size(axis),
                         indices(index), x.data<T>(), y.numel(),
                         y.mutable_data<T>());
  });
  return make_op("scatter_add", {start, x}, y,
                 [axis, saved = Saved(index)](const Tensor& dy,
                                              const BackwardContext& context) {
                   std::vector<Tensor> dx(2);
                   if (context.needs(0)) dx[0] = dy;
                   if (context.needs(1)) {
                     dx[1] = gather(dy, axis, saved.get());
                   }
                   return dx;
                 });
}

}  // namespace mjolnir
