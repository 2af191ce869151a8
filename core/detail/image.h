#pragma once

#include <mjolnir/core/tensor.h>

#include "core/kernels/patches.h"

namespace mjolnir::detail {

/** An uninitialised (N,C,H,W) in ChannelsLast. */
inline Tensor empty_image(const Shape& shape, DType dtype) {
  TensorOptions options;
  options.dtype = dtype;
  options.layout = Layout::ChannelsLast;
  return Tensor::empty(shape, options);
}

/** The (N,C,H,W) that a window runs over. */
inline Shape input_shape(const kernels::ConvSizes& s) {
  return {s.batch, s.in_channels, s.in_h, s.in_w};
}

/** The (N,O,H',W') that it gives. */
inline Shape output_shape(const kernels::ConvSizes& s) {
  return {s.batch, s.out_channels, s.out_h(), s.out_w()};
}

}  // namespace mjolnir::detail
