#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/layers/patch_covariance.h>

#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/detail/window.h"
#include "core/kernels/gram.h"
#include "core/kernels/rows.h"
#include "core/kernels/shifts.h"

namespace mjolnir {
namespace {

using Algorithm = CovarianceAlgorithm;
using Options = PatchCovarianceOptions;

constexpr const char* op = "patch_covariance";

// The sums of pixels are short of work below this many channels a group.
constexpr std::int64_t least_shift_channels = 16;
// Plans grow with the square of a window's cells.
constexpr std::int64_t most_cells = 256;
// Rows must be this much less work: their products are the smaller ones.
constexpr double row_margin = 1.25;

kernels::ConvSizes sizes_of(const Shape& x, const Conv2dGeometry& window) {
  kernels::ConvSizes sizes;
  sizes.batch = x[0];
  sizes.in_channels = x[1];
  sizes.in_h = x[2];
  sizes.in_w = x[3];
  sizes.out_channels = window.groups;
  sizes.window = window;
  return sizes;
}

bool is_empty(const kernels::ConvSizes& s) {
  return s.batch * s.in_channels * s.in_h * s.in_w == 0;
}

bool can_do(Algorithm algorithm, const Conv2dGeometry& window) {
  if (algorithm == Algorithm::Syrk) return kernels::is_disjoint(window);
  if (algorithm == Algorithm::Shifts) return kernels::can_shift(window);
  return true;
}

void check(const Shape& x, const Conv2dGeometry& window,
           const Options& options) {
  detail::check_window(op, x, window);
  if (window.groups < 1 || x[1] % window.groups != 0)
    throw ValueError(detail::prefix(op) + "expected groups that divide the " +
                     std::to_string(x[1]) + " channels, got " +
                     std::to_string(window.groups));
  if (options.scratch_bytes < 0)
    throw ValueError(detail::prefix(op) + "expected scratch_bytes >= 0, got " +
                     std::to_string(options.scratch_bytes));
  if (can_do(options.algorithm, window)) return;
  std::string others = "patches or rows";
  for (const Algorithm other : {Algorithm::Syrk, Algorithm::Shifts})
    if (can_do(other, window))
      others = std::string("patches, rows or ") + name_of(other);
  const bool shifts = options.algorithm == Algorithm::Shifts;
  throw ValueError(
      detail::prefix(op) + "expected " +
      (shifts ? "stride 1 for shifts"
              : "windows that do not overlap, without dilation, for syrk") +
      ", got a " + std::to_string(window.kernel_h) + "x" +
      std::to_string(window.kernel_w) + " window with stride " +
      std::to_string(window.stride_h) + "," + std::to_string(window.stride_w) +
      " and dilation " + std::to_string(window.dilation_h) + "," +
      std::to_string(window.dilation_w) + "; " + others + " can do it");
}

kernels::GramCost cost_of(Algorithm algorithm, const kernels::ConvSizes& sizes,
                          DType dtype, const Options& options) {
  const auto bytes = std::int64_t(size_of(dtype));
  const std::int64_t limit = options.scratch_bytes;
  switch (algorithm) {
    case Algorithm::Rows:
      return kernels::row_gram_cost(sizes, bytes, limit);
    case Algorithm::Syrk:
      return kernels::disjoint_gram_cost(sizes, bytes, limit);
    case Algorithm::Shifts:
      return kernels::shift_gram_cost(sizes, bytes, limit);
    case Algorithm::Automatic:
    case Algorithm::Patches:
      break;
  }
  return kernels::patch_gram_cost(sizes, bytes, limit);
}

Algorithm choose(const kernels::ConvSizes& sizes, DType dtype,
                 const Options& options) {
  if (options.algorithm != Algorithm::Automatic) return options.algorithm;
  const Conv2dGeometry& w = sizes.window;
  if (kernels::is_disjoint(w)) return Algorithm::Syrk;
  if (dtype != DType::F32 || is_empty(sizes) ||
      w.kernel_h * w.kernel_w > most_cells)
    return Algorithm::Patches;
  const auto work = [&](Algorithm algorithm) {
    return cost_of(algorithm, sizes, dtype, options).work;
  };
  const double patches = work(Algorithm::Patches);
  if (kernels::can_shift(w) && sizes.group_inputs() >= least_shift_channels &&
      2 * sizes.out_h() * sizes.out_w() >= sizes.in_h * sizes.in_w &&
      work(Algorithm::Shifts) <= patches)
    return Algorithm::Shifts;
  return row_margin * work(Algorithm::Rows) < patches ? Algorithm::Rows
                                                      : Algorithm::Patches;
}

template <class T>
void add(Algorithm algorithm, const kernels::ConvSizes& sizes, const T* x, T* s,
         std::int64_t limit) {
  switch (algorithm) {
    case Algorithm::Rows:
      return kernels::add_row_gram(sizes, x, s, limit);
    case Algorithm::Syrk:
      return kernels::add_disjoint_gram(sizes, x, s, limit);
    case Algorithm::Shifts:
      return kernels::add_shift_gram(sizes, x, s, limit);
    case Algorithm::Automatic:
    case Algorithm::Patches:
      break;
  }
  kernels::add_patch_gram(sizes, x, s, limit);
}

Shape result_shape(const Shape& x, const Conv2dGeometry& window) {
  const std::int64_t d =
      window.kernel_h * window.kernel_w * (x[1] / window.groups);
  return window.groups == 1 ? Shape{d, d} : Shape{window.groups, d, d};
}

void check_dtype(DType dtype) {
  dispatch_float(op, dtype, [](auto) {});
}

void check_image(const Tensor& x, const Conv2dGeometry& window,
                 const Options& options) {
  check_floating(op, x);
  check(x.shape(), window, options);
}

}  // namespace

const char* name_of(CovarianceAlgorithm algorithm) noexcept {
  switch (algorithm) {
    case Algorithm::Patches:
      return "patches";
    case Algorithm::Rows:
      return "rows";
    case Algorithm::Syrk:
      return "syrk";
    case Algorithm::Shifts:
      return "shifts";
    case Algorithm::Automatic:
      break;
  }
  return "automatic";
}

void add_patch_covariance(const Tensor& x, const Conv2dGeometry& window,
                          const Tensor& s, const Options& options) {
  check_image(x, window, options);
  check_same_dtype(op, x, s);
  check_shape(op, "s", s, result_shape(x.shape(), window));
  const kernels::ConvSizes sizes = sizes_of(x.shape(), window);
  if (is_empty(sizes)) return;
  const Algorithm algorithm = choose(sizes, x.dtype(), options);
  const NoGrad no_grad;
  const Tensor pixels = x.to(Layout::ChannelsLast);
  dispatch_float(op, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    add<T>(algorithm, sizes, pixels.data<T>(), s.mutable_data<T>(),
           options.scratch_bytes);
  });
}

Tensor patch_covariance(const Tensor& x, const Conv2dGeometry& window,
                        const Options& options) {
  check_image(x, window, options);
  const Tensor s = Tensor::zeros(result_shape(x.shape(), window), {x.dtype()});
  add_patch_covariance(x, window, s, options);
  return s;
}

CovarianceAlgorithm covariance_algorithm(const Shape& x,
                                         const Conv2dGeometry& window,
                                         DType dtype, const Options& options) {
  check_dtype(dtype);
  check(x, window, options);
  return choose(sizes_of(x, window), dtype, options);
}

std::int64_t covariance_scratch(const Shape& x, const Conv2dGeometry& window,
                                DType dtype, const Options& options) {
  check_dtype(dtype);
  check(x, window, options);
  const kernels::ConvSizes sizes = sizes_of(x, window);
  if (is_empty(sizes)) return 0;
  return cost_of(choose(sizes, dtype, options), sizes, dtype, options)
      .scratch_bytes;
}

}  // namespace mjolnir
