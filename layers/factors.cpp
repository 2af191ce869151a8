#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/patch_covariance.h>

#include "core/detail/dispatch.h"
#include "core/detail/inner_product.h"
#include "core/kernels/energy.h"
#include "core/kernels/gram.h"

namespace mjolnir {
namespace {

/** (P,D) rows of a layer's input or output gradient: axis 1 of an image, the
 * last axis of anything else. */
Tensor as_rows(const Tensor& x, CurvatureKind kind) {
  return x.to(kind == CurvatureKind::Conv2d ? Layout::ChannelsLast
                                            : Layout::RowMajor);
}

std::int64_t row_length(const Tensor& x, CurvatureKind kind) {
  return kind == CurvatureKind::Conv2d ? x.size(1) : x.size(-1);
}

/** sum of squares, per group of channels, over the window's positions.
 * x (N,C,H,W) ChannelsLast */
std::vector<double> energies(const Tensor& x, const Conv2dGeometry& window) {
  std::vector<double> sums(static_cast<std::size_t>(window.groups));
  dispatch_float("factors", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if (window.groups == 1) {
      sums[0] = kernels::patch_energy(x.size(0), x.size(2), x.size(3),
                                      x.size(1), window, x.data<T>());
      return;
    }
    kernels::patch_energies(x.size(0), x.size(2), x.size(3), x.size(1), window,
                            x.data<T>(), sums.data());
  });
  return sums;
}

void add(const std::vector<double>& terms, std::vector<double>& sums) {
  sums.resize(terms.size());
  for (std::size_t i = 0; i < terms.size(); ++i) sums[i] += terms[i];
}

/** Zeros (d,d), or (groups,d,d). */
Tensor square_zeros(std::int64_t groups, std::int64_t d, DType dtype) {
  return groups == 1 ? Tensor::zeros({d, d}, {dtype})
                     : Tensor::zeros({groups, d, d}, {dtype});
}

void add_gram(const Tensor& rows, std::int64_t d, Tensor& s) {
  if (!s.defined()) s = square_zeros(1, d, rows.dtype());
  dispatch_float("factors", rows.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::add_gram(rows.numel() / d, d, rows.data<T>(), s.mutable_data<T>());
  });
}

void add_patches(const Tensor& x, const Conv2dGeometry& window, Tensor& s) {
  const std::int64_t d =
      window.kernel_h * window.kernel_w * x.size(1) / window.groups;
  if (!s.defined()) s = square_zeros(window.groups, d, x.dtype());
  add_patch_covariance(x, window, s);
}

/** A window that is one pixel of one group's channels. */
Conv2dGeometry pixels_of(const Conv2dGeometry& window) {
  Conv2dGeometry pixels;
  pixels.groups = window.groups;
  return pixels;
}

/** m += the sums over positions of what the layer multiplies by its weight.
 * m (D) or (g,D) */
void add_input_sums(const Tensor& x, const CurvatureRecord& record, Tensor& m) {
  Conv2dGeometry w = record.geometry;
  const bool image = record.kind == CurvatureKind::Conv2d;
  const std::int64_t channels = image ? x.size(1) : x.size(-1);
  const std::int64_t d = w.kernel_h * w.kernel_w * channels / w.groups;
  if (!m.defined()) {
    m = Tensor::zeros(w.groups == 1 ? Shape{d} : Shape{w.groups, d},
                      {x.dtype()});
  }
  dispatch_float("factors", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::add_patch_sums(image ? x.size(0) : x.numel() / channels,
                            image ? x.size(2) : 1, image ? x.size(3) : 1,
                            channels, w, x.data<T>(), m.mutable_data<T>());
  });
}

/** (1,C,H,W): the mean over the batch of images (N,C,H,W), ChannelsLast. */
Tensor batch_mean(const Tensor& x) {
  const Tensor images = x.to(Layout::ChannelsLast);
  const Tensor mean =
      Tensor::empty(x.shape().with(0, 1), {x.dtype(), Layout::ChannelsLast});
  dispatch_float("factors", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::mean_rows(x.size(0), mean.numel(), images.data<T>(),
                       mean.mutable_data<T>());
  });
  return mean;
}

/** The last `axes` axes, each from storage order (kh,kw,c) to weight order
 * (c,kh,kw). s (D,D), (g,D,D), (D) or (g,D) */
Tensor to_weight_order(const Tensor& s, const Tensor& weight, int axes) {
  if (weight.rank() != 4) return s;
  const std::int64_t c = weight.size(1);
  const std::int64_t k = weight.size(2) * weight.size(3);
  if (k == 1 || c == 1) return s;
  const std::int64_t groups =
      axes == 1 ? s.numel() / (k * c) : s.numel() / (k * c * k * c);
  if (axes == 1) {
    const Tensor split = reshape(s, {groups, k, c});
    return reshape(permute(split, {0, 2, 1}), s.shape());
  }
  const Tensor split = reshape(s, {groups, k, c, k, c});
  return reshape(permute(split, {0, 2, 1, 4, 3}), s.shape());
}

/** [[a, m], [m^T, 1]]: A of the inputs and of one that is always 1.
 * a (...,D,D), m (...,D) */
Tensor with_constant(const Tensor& a, const Tensor& m) {
  const std::int64_t d = a.size(-1);
  const std::int64_t groups = m.numel() / d;
  const Tensor column = reshape(m, {groups, d, 1});
  const Tensor corner = Tensor::full({groups, 1, 1}, 1.0, {a.dtype()});
  const Tensor top = concat({reshape(a, {groups, d, d}), column}, 2);
  const Tensor bottom = concat({reshape(m, {groups, 1, d}), corner}, 2);
  const Tensor whole = concat({top, bottom}, 1);
  return a.rank() == 3 ? whole : reshape(whole, {d + 1, d + 1});
}

}  // namespace

FactorSums FactorSums::group(std::int64_t index) const {
  const auto part = [index](const Tensor& x) {
    if (!x.defined()) return x;
    const Shape inner = x.shape();
    const Tensor one = slice(x, 0, index, index + 1);
    return inner.rank() == 3 ? reshape(one, {inner[1], inner[2]})
                             : reshape(one, {inner[1]});
  };
  if (traces_g.size() <= 1) return *this;
  const NoGrad no_grad;
  FactorSums sums = *this;
  sums.a = part(a);
  sums.a_sum = part(a_sum);
  sums.g = part(g);
  const auto at = static_cast<std::size_t>(index);
  sums.traces_a = {traces_a[at]};
  sums.traces_g = {traces_g[at]};
  return sums;
}

FactorSums FactorSums::in_weight_order(const Tensor& weight) const {
  const NoGrad no_grad;
  FactorSums sums = *this;
  if (a.defined()) sums.a = to_weight_order(a, weight, 2);
  if (a_sum.defined()) sums.a_sum = to_weight_order(a_sum, weight, 1);
  return sums;
}

Tensor FactorSums::matrix_a() const {
  const NoGrad no_grad;
  const double share = 1 / static_cast<double>(positions_a);
  return a_sum.defined() ? with_constant(a * share, a_sum * share) : a * share;
}

void FactorObserver::clear() {
  sums_ = FactorSums();
  gathered_ = Collect::Nothing;
  pass_ = 0;
  pass_samples_ = 0;
}

void FactorObserver::begin(const CurvatureRecord& record) {
  if (gathered_ != what_ && gathered_ != Collect::Nothing) clear();
  gathered_ = what_;
  if (record.pass != pass_) pass_samples_ = 0;
  pass_ = record.pass;
  if (record.samples > pass_samples_) {
    sums_.samples += record.samples - pass_samples_;
    pass_samples_ = record.samples;
  }
}

void FactorObserver::add_ids(const CurvatureRecord& record) {
  const std::int64_t ids = record.x.numel();
  sums_.positions_a += ids;
  add({static_cast<double>(ids)}, sums_.traces_a);  // a is a unit vector
  if (what_ != Collect::Factors) return;
  if (!sums_.a.defined())
    sums_.a = Tensor::zeros({record.rows}, {record.dout.dtype()});
  dispatch_float("factors", sums_.a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if (!kernels::count_ids(ids, record.x.data<std::int64_t>(), record.rows,
                            sums_.a.mutable_data<T>()))
      throw ValueError("[factors] expected ids below " +
                       std::to_string(record.rows));
  });
}

void FactorObserver::add_a(const CurvatureRecord& record) {
  if (record.kind == CurvatureKind::Embedding) return add_ids(record);
  const Conv2dGeometry& window = record.geometry;
  const bool image = record.kind == CurvatureKind::Conv2d;
  const Tensor x = as_rows(record.x, record.kind);
  const std::int64_t positions =
      image ? x.size(0) * window.out_h(x.size(2)) * window.out_w(x.size(3))
            : x.numel() / x.size(-1);
  sums_.positions_a += positions;
  std::vector<double> traces =
      image ? energies(x, window)
            : std::vector<double>{detail::inner_product(x, x)};
  for (double& trace : traces)
    if (joint_bias_) trace += static_cast<double>(positions);
  add(traces, sums_.traces_a);
  if (what_ != Collect::Factors) return;
  if (image) {
    add_patches(x, window, sums_.a);
  } else {
    add_gram(x, x.size(-1), sums_.a);
  }
  if (joint_bias_) add_input_sums(x, record, sums_.a_sum);
}

void FactorObserver::add_g(const CurvatureRecord& record, bool factors) {
  const bool image = record.kind == CurvatureKind::Conv2d;
  const Tensor rows = as_rows(record.dout, record.kind);
  const std::int64_t length = row_length(rows, record.kind);
  const Conv2dGeometry pixels = pixels_of(record.geometry);
  sums_.positions_g += rows.numel() / length;
  add(image ? energies(rows, pixels)
            : std::vector<double>{detail::inner_product(rows, rows)},
      sums_.traces_g);
  if (!factors) return;
  if (pixels.groups != 1) {
    add_patches(rows, pixels, sums_.g);
  } else {
    add_gram(rows, length, sums_.g);
  }
}

void FactorObserver::count_positions() {
  if (sums_.samples == 0) return;
  sums_.positions_per_sample =
      double(sums_.positions_a) / double(sums_.samples);
}

void FactorObserver::begin_by_hand() {
  if (gathered_ == Collect::Traces) clear();
  gathered_ = Collect::Factors;
}

void KroneckerObserver::record(const CurvatureRecord& record) {
  const NoGrad no_grad;
  begin(record);
  add_a(record);
  add_g(record, collects() == Collect::Factors);
  count_positions();
}

void KroneckerObserver::add_gradient(const CurvatureRecord& record) {
  const NoGrad no_grad;
  begin_by_hand();
  add_g(record, true);
}

void BatchMeanObserver::record(const CurvatureRecord& record) {
  if (pass_ != 0 && record.pass != pass_)
    throw ValueError(
        "[BatchMeanObserver] a batch mean is of one backward pass, got a "
        "second one before zero_grad(); accumulate with per-sample statistics");
  const NoGrad no_grad;
  begin(record);
  const bool factors = collects() == Collect::Factors;
  if (record.kind != CurvatureKind::Conv2d) {
    add_a(record);
    add_g(record, factors);
    count_positions();
    return;
  }
  CurvatureRecord mean = record;
  mean.x = batch_mean(record.x);
  mean.dout = batch_mean(record.dout);
  add_a(mean);
  add_g(mean, factors);
  sums_.positions_per_sample = double(sums_.positions_a);
}

void BatchMeanObserver::add_gradient(const CurvatureRecord& record) {
  const NoGrad no_grad;
  begin_by_hand();
  CurvatureRecord mean = record;
  if (record.kind == CurvatureKind::Conv2d) mean.dout = batch_mean(record.dout);
  add_g(mean, true);
}

}  // namespace mjolnir
