#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/layers/patch_covariance.h>

#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/kernels/gram.h"
#include "core/kernels/shifts.h"

namespace mjolnir {
namespace {

std::int64_t patch_length(const Tensor& x, const Conv2dGeometry& window) {
  return window.kernel_h * window.kernel_w * x.size(1);
}

void check(const Tensor& x, const Conv2dGeometry& window) {
  check_floating("patch_covariance", x);
  check_rank("patch_covariance", "x", x, 4);
  if (window.groups != 1)
    throw ValueError("[patch_covariance] expected one group, got " +
                     std::to_string(window.groups));
  if (window.out_h(x.size(2)) < 1 || window.out_w(x.size(3)) < 1)
    throw ShapeError("[patch_covariance] the window is larger than x " +
                     x.shape().str() + " with its padding");
}

/** Every pixel is one patch: no copy is needed. */
bool is_pointwise(const Conv2dGeometry& w) {
  return w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 &&
         w.stride_w == 1 && w.pad_top == 0 && w.pad_bottom == 0 &&
         w.pad_left == 0 && w.pad_right == 0;
}

kernels::ConvSizes sizes_of(const Tensor& x, const Conv2dGeometry& window) {
  kernels::ConvSizes sizes;
  sizes.batch = x.size(0);
  sizes.in_channels = x.size(1);
  sizes.in_h = x.size(2);
  sizes.in_w = x.size(3);
  sizes.out_channels = 1;
  sizes.window = window;
  return sizes;
}

}  // namespace

void add_patch_covariance(const Tensor& x, const Conv2dGeometry& window,
                          const Tensor& s) {
  check(x, window);
  check_same_dtype("patch_covariance", x, s);
  const std::int64_t d = patch_length(x, window);
  check_shape("patch_covariance", "s", s, {d, d});
  const NoGrad no_grad;
  const Tensor pixels = x.to(Layout::ChannelsLast);
  dispatch_float("patch_covariance", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const kernels::ConvSizes sizes = sizes_of(pixels, window);
    const T* pixel = pixels.data<T>();
    T* sums = s.mutable_data<T>();
    if (is_pointwise(window))
      kernels::add_gram(sizes.rows(), d, pixel, sums);
    else if (x.dtype() == DType::F32 &&
             kernels::prefers_shifts(sizes, sizeof(T)))
      kernels::add_shift_gram(sizes, pixel, sums);
    else
      kernels::add_patch_gram(sizes, pixel, sums);
  });
}

Tensor patch_covariance(const Tensor& x, const Conv2dGeometry& window) {
  check(x, window);
  const std::int64_t d = patch_length(x, window);
  const Tensor s = Tensor::zeros({d, d}, {x.dtype()});
  add_patch_covariance(x, window, s);
  return s;
}

}  // namespace mjolnir
