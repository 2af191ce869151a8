#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/ops/matmul.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/ops/shape.h>

#include <string>
#include <utility>

#include "core/detail/axes.h"
#include "core/detail/check.h"
#include "core/detail/copy.h"
#include "core/detail/dispatch.h"
#include "core/kernels/gemm.h"

namespace mjolnir {
namespace {

// op(a) (m,k) op(b) (k,n) of row-major matrices
struct Product {
  bool transpose_a = false, transpose_b = false;
  std::int64_t m = 0, n = 0, k = 0;

  template <class T>
  void run(const T* a, const T* b, T beta, T* y) const {
    const std::int64_t lda = transpose_a ? m : k;
    const std::int64_t ldb = transpose_b ? k : n;
    const bool plain =
        dtype_of<T>() == DType::F32 && backend() == Backend::Reference;
    const auto gemm = plain ? kernels::gemm_reference<T> : kernels::gemm<T>;
    gemm(transpose_a, transpose_b, m, n, k, T(1), a, lda, b, ldb, beta, y, n);
  }
};

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

template <class T>
void multiply(const Product& product, const kernels::LoopNest& nest, const T* a,
              const T* b, T* y) {
  const int inner = nest.rank - 1;
  const std::int64_t size_a = product.m * product.k;
  const std::int64_t size_b = product.k * product.n;
  const std::int64_t size_y = product.m * product.n;
  nest.walk(0, nest.numel(),
            [&](std::int64_t out, std::int64_t n, const auto& offsets) {
              for (std::int64_t i = 0; i < n; ++i) {
                const std::int64_t ia = offsets[0] + i * nest.strides[0][inner];
                const std::int64_t ib = offsets[1] + i * nest.strides[1][inner];
                product.run(a + ia * size_a, b + ib * size_b, T(0),
                            y + (out + i) * size_y);
              }
            });
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
    throw ShapeError("[matmul] inner lengths differ: " + a.shape().str() +
                     (ta ? " transposed" : "") + " times " + b.shape().str() +
                     (tb ? " transposed" : ""));
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
    multiply(product, nest, a.data<T>(), b.data<T>(), y.mutable_data<T>());
  });
  return make_op("matmul", {a, b}, y,
                 [ta, tb, sa = Saved(a), sb = Saved(b)](
                     const Tensor& dy, const BackwardContext& context) {
                   const Tensor a = sa.get(), b = sb.get();
                   std::vector<Tensor> dx(2);
                   // op(A) = dy op(B)^T, op(B) = op(A)^T dy, transposed where
                   // op does
                   if (context.needs(0)) {
                     dx[0] = sum_to(ta ? product_of(b, dy, tb, true)
                                       : product_of(dy, b, false, !tb),
                                    a.shape());
                   }
                   if (context.needs(1)) {
                     dx[1] = sum_to(tb ? product_of(dy, a, true, ta)
                                       : product_of(a, dy, !ta, false),
                                    b.shape());
                   }
                   return dx;
                 });
}

Tensor linear(const Tensor& input, const Tensor& w, const Tensor& bias) {
  check_same_dtype("linear", input, w);
  check_rank("linear", "w", w, 2);
  const std::int64_t features = w.size(1), outputs = w.size(0);
  if (input.rank() < 1 || input.size(-1) != features) {
    throw ShapeError("[linear] expected x with " + std::to_string(features) +
                     " features, got shape " + input.shape().str());
  }
  if (bias.defined()) {
    check_same_dtype("linear", input, bias);
    check_shape("linear", "bias", bias, {outputs});
  }
  const Tensor x = input.to(Layout::RowMajor);
  Product product;
  product.transpose_b = true;
  product.m = features == 0 ? 0 : x.numel() / features;
  product.n = outputs;
  product.k = features;
  TensorOptions like;
  like.dtype = x.dtype();
  const Tensor y = Tensor::empty(x.shape().with(-1, outputs), like);
  if (bias.defined()) detail::copy_broadcast(bias, y);
  dispatch_float("linear", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    product.run(x.data<T>(), w.data<T>(), T(bias.defined() ? 1 : 0),
                y.mutable_data<T>());
  });
  return make_op(
      "linear", {x, w, bias}, y,
      [rows = product.m, sx = Saved(x), sw = Saved(w)](
          const Tensor& dy, const BackwardContext& context) {
        const Tensor x = sx.get(), w = sw.get();
        const Tensor flat = reshape(dy, {rows, w.size(0)});
        std::vector<Tensor> dx(3);
        // dx (N,I) = dy (N,O) w (O,I)
        if (context.needs(0)) {
          dx[0] = reshape(product_of(flat, w, false, false), x.shape());
        }
        // dw (O,I) = dy^T (O,N) x (N,I)
        if (context.needs(1)) {
          dx[1] = product_of(flat, reshape(x, {rows, w.size(1)}), true, false);
        }
        if (context.needs(2)) dx[2] = sum(flat, {0});
        return dx;
      });
}

}  // namespace mjolnir
