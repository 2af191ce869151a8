#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/layers/diagonal.h>

#include "layers/detail/sample_gradients.h"

namespace mjolnir {
namespace {

/** Zeros like the weight. */
Tensor zeros_for(const CurvatureRecord& record) {
  TensorOptions options;
  options.dtype = record.dout.dtype();
  if (record.kind == CurvatureKind::Embedding)
    return Tensor::zeros({record.rows, record.dout.size(-1)}, options);
  if (record.kind == CurvatureKind::Dense)
    return Tensor::zeros({record.rows, record.x.size(-1)}, options);
  const Conv2dGeometry& window = record.geometry;
  options.layout = Layout::ChannelsLast;
  return Tensor::zeros({record.rows, record.x.size(1) / window.groups,
                        window.kernel_h, window.kernel_w},
                       options);
}

}  // namespace

void DiagonalObserver::record(const CurvatureRecord& record) {
  if (!begin("DiagonalObserver", record)) return;
  const NoGrad no_grad;
  if (!sum_.defined()) sum_ = zeros_for(record);
  if (record.kind == CurvatureKind::Conv2d) {
    detail::add_patch_squares(record.x, record.dout, record.geometry, {}, sum_);
    return;
  }
  const Tensor dout = reshape(record.dout, {-1, record.dout.size(-1)});
  if (record.kind == CurvatureKind::Embedding)
    detail::add_embedding_squares(record.x, dout, record.samples, sum_);
  else
    detail::add_squares(reshape(record.x, {-1, record.x.size(-1)}), dout,
                        record.samples, sum_);
}

}  // namespace mjolnir
