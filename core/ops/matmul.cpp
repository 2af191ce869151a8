#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/ops/matmul.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/core/trace.h>

#include <string>
#include <utility>

#include "core/detail/axes.h"
#include "core/detail/check.h"
#include "core/detail/copy.h"
#include "core/detail/dispatch.h"
#include "core/detail/parameters.h"
#include "core/detail/saved.h"
#include "core/kernels/gemm.h"

namespace mjolnir {
namespace {

using detail::saved_if;
using kernels::Product;

// The product of this thread's backend: in f32 the reference is three loops.
template <class T>
kernels::Gemm<T> product_kernel() {
  const bool plain =
      dtype_of<T>() == DType::F32 && backend() == Backend::Reference;
  return plain ? kernels::gemm_reference<T> : kernels::gemm<T>;
}

Shape batch_axes(const Shape& shape) {
  return Shape(std::vector<std::int64_t>(shape.begin(), shape.end() - 2));
}

Shape with_matrix(const Shape& batch, std::int64_t rows, std::int64_t cols) {
  std::vector<std::int64_t> lengths = batch.to_vector();
  lengths.push_back(rows);
  lengths.push_back(cols);
  return Shape(lengths);
}

// For each matrix of the result, the index of the operands' matrices.
kernels::LoopNest batch_nest(const Shape& batch, const Shape& a,
                             const Shape& b) {
  kernels::LoopNest nest;
  nest.rank = static_cast<int>(batch.rank());
  nest.operands = 2;
  const Shape shapes[2] = {a, b};
  for (int operand = 0; operand < 2; ++operand) {
    const Shape& own = shapes[operand];
    const detail::Strides strides = detail::strides_of(own, Layout::RowMajor);
    const std::size_t lead = batch.rank() - own.rank();
    for (std::size_t i = lead; i < batch.rank(); ++i) {
      nest.strides[operand][i] = own[i - lead] == 1 ? 0 : strides[i - lead];
    }
  }
  for (std::size_t i = 0; i < batch.rank(); ++i) nest.lengths[i] = batch[i];
  nest.collapse();
  return nest;
}

Tensor product_of(const Tensor& a, const Tensor& b, bool transpose_a,
                  bool transpose_b) {
  MatmulOptions options;
  options.transpose_a = transpose_a;
  options.transpose_b = transpose_b;
  return matmul(a, b, options);
}

}  // namespace

Tensor matmul(const Tensor& left, const Tensor& right,
              const MatmulOptions& options) {
  check_same_dtype("matmul", left, right);
  if (left.rank() < 2 || right.rank() < 2) {
    throw ShapeError("[matmul] expected two tensors of rank 2 or more, got " +
                     left.shape().str() + " and " + right.shape().str());
  }
  const Tensor a = left.to(Layout::RowMajor);
  const Tensor b = right.to(Layout::RowMajor);
  const bool ta = options.transpose_a, tb = options.transpose_b;
  Product product;
  product.transpose_a = ta;
  product.transpose_b = tb;
  product.m = a.size(ta ? -1 : -2);
  product.k = a.size(ta ? -2 : -1);
  product.n = b.size(tb ? -2 : -1);
  if (product.k != b.size(tb ? -1 : -2)) {
    const bool fits_b = product.k == product.n;
    const bool fits_a = product.m == b.size(tb ? -1 : -2);
    throw ShapeError("[matmul] expected equal inner lengths, got " +
                     a.shape().str() + (ta ? " transposed" : "") + " times " +
                     b.shape().str() + (tb ? " transposed" : "") +
                     (fits_b   ? tb ? "; they fit without transpose_b"
                                    : "; they fit with transpose_b"
                      : fits_a ? ta ? "; they fit without transpose_a"
                                    : "; they fit with transpose_a"
                               : ""));
  }
  const Shape batch_a = batch_axes(a.shape()), batch_b = batch_axes(b.shape());
  const Shape batch = detail::broadcast_shape("matmul", batch_a, batch_b);
  TensorOptions like;
  like.dtype = a.dtype();
  const Tensor y =
      Tensor::empty(with_matrix(batch, product.m, product.n), like);
  kernels::LoopNest nest = batch_nest(batch, batch_a, batch_b);
  if (!ta && batch_b.numel() == 1 && batch_a == batch) {
    // One matrix b: the rows of all a are one matrix.
    product.m *= batch.numel();
    nest.rank = 1;
    nest.lengths[0] = 1;
  }
  dispatch_float("matmul", a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::multiply_batch<T>(product, product_kernel<T>(), nest, a.data<T>(),
                               b.data<T>(), y.mutable_data<T>());
  });
  if (tracing()) {
    trace_note(y, {{"transpose_a", std::int64_t{ta}},
                   {"transpose_b", std::int64_t{tb}}});
  }
  return make_op(
      "matmul", {a, b}, y,
      [ta, tb, sa = saved_if(b.requires_grad(), a),
       sb = saved_if(a.requires_grad(), b), shape_a = a.shape(),
       shape_b = b.shape()](const Tensor& dy, const BackwardContext& context) {
        std::vector<Tensor> dx(2);
        // op(A) = dy op(B)^T, op(B) = op(A)^T dy, transposed where
        // op does
        if (context.needs(0)) {
          const Tensor b = sb.get();
          dx[0] = sum_to(
              ta ? product_of(b, dy, tb, true) : product_of(dy, b, false, !tb),
              shape_a);
        }
        if (context.needs(1)) {
          const Tensor a = sa.get();
          dx[1] = sum_to(
              tb ? product_of(dy, a, true, ta) : product_of(a, dy, !ta, false),
              shape_b);
        }
        return dx;
      });
}

namespace {

// What the gradients of linear are made of: x (N,I), w (O,I).
struct LinearSaved {
  Saved x, w;
  Shape x_shape;
  std::int64_t rows = 0, outputs = 0;  // N, O
  std::int64_t features() const { return x_shape.dim(-1); }
};

// The gradients as differentiable ops.
std::vector<Tensor> linear_composed(const Tensor& dy, const LinearSaved& saved,
                                    const BackwardContext& context) {
  const Tensor flat = reshape(dy, {saved.rows, saved.outputs});
  std::vector<Tensor> dx(3);
  // dx (N,I) = dy (N,O) w (O,I)
  if (context.needs(0)) {
    dx[0] =
        reshape(product_of(flat, saved.w.get(), false, false), saved.x_shape);
  }
  // dw (O,I) = dy^T (O,N) x (N,I)
  if (context.needs(1)) {
    const Tensor x = reshape(saved.x.get(), {saved.rows, saved.features()});
    dx[1] = product_of(flat, x, true, false);
  }
  if (context.needs(2)) dx[2] = sum(flat, {0});
  return dx;
}

// The same by kernels alone.
std::vector<Tensor> linear_fused(const Tensor& dy, const LinearSaved& saved,
                                 const BackwardContext& context) {
  const std::int64_t N = saved.rows, O = saved.outputs, I = saved.features();
  const Tensor g = dy.to(Layout::RowMajor);
  TensorOptions like;
  like.dtype = g.dtype();
  std::vector<Tensor> dx(3);
  dispatch_float("linear", g.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const auto multiply = [](const Product& product, const T* a, const T* b,
                             const Tensor& y) {
      kernels::multiply<T>(product, product_kernel<T>(), a, b, T(0),
                           y.mutable_data<T>());
    };
    // dx (N,I) = dy (N,O) w (O,I)
    if (context.needs(0)) {
      dx[0] = Tensor::empty(saved.x_shape, like);
      multiply({false, false, N, I, O}, g.data<T>(), saved.w.get().data<T>(),
               dx[0]);
    }
    // dw (O,I) = dy^T (O,N) x (N,I)
    if (context.needs(1)) {
      dx[1] = Tensor::empty({O, I}, like);
      multiply({true, false, O, I, N}, g.data<T>(), saved.x.get().data<T>(),
               dx[1]);
    }
    if (context.needs(2)) dx[2] = sum(reshape(g, {N, O}), {0});
  });
  return dx;
}

}  // namespace

Tensor linear(const Tensor& input, const Tensor& w, const Tensor& bias) {
  check_same_dtype("linear", input, w);
  check_rank("linear", "w", w, 2);
  const std::int64_t features = w.size(1), outputs = w.size(0);
  if (input.rank() < 1 || input.size(-1) != features) {
    throw ShapeError("[linear] expected x with " + std::to_string(features) +
                     " features, got shape " + input.shape().str());
  }
  detail::check_parameter("linear", "bias", input, bias, {outputs});
  const Tensor x = input.to(Layout::RowMajor);
  Product product;
  product.transpose_b = true;
  product.m = x.shape().with(-1, 1).numel();
  product.n = outputs;
  product.k = features;
  TensorOptions like;
  like.dtype = x.dtype();
  const Tensor y = Tensor::empty(x.shape().with(-1, outputs), like);
  if (bias.defined()) detail::copy_broadcast(bias, y);
  dispatch_float("linear", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::multiply<T>(product, product_kernel<T>(), x.data<T>(), w.data<T>(),
                         T(bias.defined() ? 1 : 0), y.mutable_data<T>());
  });
  LinearSaved saved;
  saved.x = saved_if(w.requires_grad(), x);
  saved.w = saved_if(x.requires_grad(), w);
  saved.x_shape = x.shape();
  saved.rows = product.m;
  saved.outputs = outputs;
  return make_op("linear", {x, w, bias}, y,
                 [saved](const Tensor& dy, const BackwardContext& context) {
                   return grad_enabled() ? linear_composed(dy, saved, context)
                                         : linear_fused(dy, saved, context);
                 });
}

}  // namespace mjolnir
