#pragma once

#include <vector>

#include <mjolnir/core/geometry.h>
#include <mjolnir/core/trace.h>

namespace mjolnir::detail {

/** Adds an op to this thread's Trace; only while tracing(). */
void trace_op(const char* name, const std::vector<Tensor>& inputs,
              const Tensor& output);

/** How a window moves, as attributes: kernel, stride, dilation (h, w), pads
 * (top, left, bottom, right), groups. */
TraceAttributes attributes_of(const Conv2dGeometry& geometry);

}  // namespace mjolnir::detail
