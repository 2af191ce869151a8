#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/patch_covariance.h>

#include "core/detail/dispatch.h"
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

double energy(const Tensor& x) {
  return dispatch_float("factors", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    return kernels::sum_of_squares(x.numel(), x.data<T>());
  });
}

double energy(const Tensor& x, const Conv2dGeometry& window) {
  return dispatch_float("factors", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    return kernels::patch_energy(x.size(0), x.size(2), x.size(3), x.size(1),
                                 window, x.data<T>());
  });
}

void add_gram(const Tensor& rows, std::int64_t d, Tensor& s) {
  if (!s.defined()) s = Tensor::zeros({d, d}, {rows.dtype()});
  dispatch_float("factors", rows.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::add_gram(rows.numel() / d, d, rows.data<T>(), s.mutable_data<T>());
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

}  // namespace

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

void FactorObserver::add_a(const CurvatureRecord& record) {
  const bool factors = what_ == Collect::Factors;
  if (record.kind == CurvatureKind::Embedding) {
    const std::int64_t ids = record.x.numel();
    sums_.positions_a += ids;
    sums_.trace_a += double(ids);  // a is a unit vector
    if (!factors) return;
    if (!sums_.a.defined())
      sums_.a = Tensor::zeros({record.rows}, {record.dout.dtype()});
    dispatch_float("factors", sums_.a.dtype(), [&](auto tag) {
      using T = decltype(tag);
      if (!kernels::count_ids(ids, record.x.data<std::int64_t>(), record.rows,
                              sums_.a.mutable_data<T>()))
        throw ValueError("[factors] expected ids below " +
                         std::to_string(record.rows));
    });
    return;
  }
  const Tensor x = as_rows(record.x, record.kind);
  if (record.kind == CurvatureKind::Dense) {
    sums_.positions_a += x.numel() / x.size(-1);
    sums_.trace_a += energy(x);
    if (factors) add_gram(x, x.size(-1), sums_.a);
    return;
  }
  const Conv2dGeometry& window = record.geometry;
  sums_.positions_a +=
      x.size(0) * window.out_h(x.size(2)) * window.out_w(x.size(3));
  sums_.trace_a += energy(x, window);
  if (!factors) return;
  const std::int64_t d = window.kernel_h * window.kernel_w * x.size(1);
  if (!sums_.a.defined()) sums_.a = Tensor::zeros({d, d}, {x.dtype()});
  add_patch_covariance(x, window, sums_.a);
}

void FactorObserver::add_g(const Tensor& dout, CurvatureKind kind,
                           bool factors) {
  const Tensor rows = as_rows(dout, kind);
  const std::int64_t length = row_length(rows, kind);
  sums_.positions_g += rows.numel() / length;
  sums_.trace_g += energy(rows);
  if (factors) add_gram(rows, length, sums_.g);
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
  add_g(record.dout, record.kind, collects() == Collect::Factors);
  count_positions();
}

void KroneckerObserver::add_gradient(CurvatureKind kind, const Tensor& dout) {
  const NoGrad no_grad;
  begin_by_hand();
  add_g(dout, kind, true);
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
    add_g(record.dout, record.kind, factors);
    count_positions();
    return;
  }
  CurvatureRecord mean = record;
  mean.x = batch_mean(record.x);
  add_a(mean);
  add_g(batch_mean(record.dout), record.kind, factors);
  sums_.positions_per_sample = double(sums_.positions_a);
}

void BatchMeanObserver::add_gradient(CurvatureKind kind, const Tensor& dout) {
  const NoGrad no_grad;
  begin_by_hand();
  add_g(kind == CurvatureKind::Conv2d ? batch_mean(dout) : dout, kind, true);
}

}  // namespace mjolnir
