#include <mjolnir/layers/scale_shift.h>

#include <algorithm>
#include <string>
#include <utility>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/shape.h>

#include "core/detail/dispatch.h"
#include "core/kernels/sample_sums.h"

namespace mjolnir {
namespace {

constexpr const char* op = "ScaleShiftObserver";

Tensor zeros(std::int64_t rows, std::int64_t columns) {
  return Tensor::zeros({rows, columns}, {DType::F64});
}

/** sums (3, units) += the moments of the samples' gradients. */
void add_moments(const Tensor& dscale, const Tensor& dshift,
                 const Tensor& sums) {
  const std::int64_t units = dscale.size(1);
  double* const to = sums.mutable_data<double>();
  kernels::add_pair_moments(dscale.size(0), units, dscale.data<double>(),
                            dshift.data<double>(), to, to + units,
                            to + 2 * units);
}

}  // namespace

void ScaleShiftObserver::clear() {
  samples_ = 0;
  pass_ = 0;
  dscale_ = dshift_ = moments_ = Tensor();
}

void ScaleShiftObserver::begin(const ScaleShiftRecord& record) {
  if (dscale_.defined() && dscale_.size(1) != record.units) {
    throw ShapeError("[ScaleShiftObserver] expected " +
                     std::to_string(dscale_.size(1)) + " units, got " +
                     std::to_string(record.units) +
                     "; each layer needs an observer of its own");
  }
  if (record.pass == pass_ && dscale_.defined()) {
    if (dscale_.size(0) == record.samples) return;
    const std::int64_t before = dscale_.size(0);
    clear();
    throw ValueError(
        "[ScaleShiftObserver] expected every use of the layer in one backward "
        "pass to have the same samples, got " +
        std::to_string(before) + " and then " + std::to_string(record.samples));
  }
  if (dscale_.defined()) {  // of a pass that is over
    if (!moments_.defined()) moments_ = zeros(3, record.units);
    add_moments(dscale_, dshift_, moments_);
  }
  pass_ = record.pass;
  samples_ += record.samples;
  dscale_ = zeros(record.samples, record.units);
  dshift_ = zeros(record.samples, record.units);
}

void ScaleShiftObserver::record(const ScaleShiftRecord& record) {
  if (record.samples == 0 || record.dout.numel() == 0) return;
  const std::int64_t rows = record.dout.numel() / record.units;
  if (rows % record.samples != 0) {
    clear();
    throw ValueError("[ScaleShiftObserver] expected each of " +
                     std::to_string(record.samples) +
                     " samples to have as many positions, got " +
                     std::to_string(rows) + " in all");
  }
  const NoGrad no_grad;
  begin(record);
  const Layout layout = record.channels && record.dout.rank() == 4
                            ? Layout::ChannelsLast
                            : Layout::RowMajor;
  const Tensor xhat = record.xhat.to(layout);
  const Tensor dout = record.dout.to(layout);
  dispatch_float(op, dout.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::add_sample_sums(record.samples, rows / record.samples,
                             record.units, xhat.data<T>(), dout.data<T>(),
                             dscale_.mutable_data<double>(),
                             dshift_.mutable_data<double>());
  });
}

ScaleShiftSums ScaleShiftObserver::sums() const {
  ScaleShiftSums sums;
  if (!dscale_.defined()) return sums;
  const NoGrad no_grad;
  const std::int64_t units = dscale_.size(1);
  const Tensor all = moments_.defined() ? moments_.clone() : zeros(3, units);
  add_moments(dscale_, dshift_, all);
  const auto row = [&](std::int64_t i) {
    return reshape(slice(all, 0, i, i + 1), {units});
  };
  sums.scale_scale = row(0);
  sums.scale_shift = row(1);
  sums.shift_shift = row(2);
  sums.samples = samples_;
  return sums;
}

ScaleShiftSource::ScaleShiftSource() = default;
ScaleShiftSource::~ScaleShiftSource() = default;

ObservationHandle ScaleShiftSource::observe(
    std::shared_ptr<ScaleShiftObserver> observer) {
  return attach(std::move(observer));
}

void ScaleShiftSource::watch(const Tensor& y, bool channels,
                             std::int64_t samples, Normalize normalize) {
  ScaleShiftRecord record;
  record.channels = channels;
  record.units = curvature_scale().numel();
  record.samples = samples;
  tap(y,
      [record, normalize = std::move(normalize)](
          LayerObserver& observer, const Tensor& dy, const BackwardPass& pass) {
        const NoGrad no_grad;
        ScaleShiftRecord shown = record;
        shown.xhat = normalize();
        shown.dout = dy;
        shown.pass = pass.id;
        static_cast<ScaleShiftObserver&>(observer).record(shown);
      });
}

}  // namespace mjolnir
