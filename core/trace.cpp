#include <mjolnir/core/trace.h>

#include <utility>

#include "core/detail/trace.h"

namespace mjolnir {
namespace {

thread_local Trace* listener = nullptr;

}  // namespace

namespace detail {

class TraceAccess {
 public:
  static void note(const Tensor& y, const TraceAttributes& attributes,
                   const std::vector<Tensor>& more_inputs) {
    listener->noted_ = {{}, more_inputs, y, attributes};
  }

  static void add(const char* name, const std::vector<Tensor>& inputs,
                  const Tensor& output) {
    TracedOp op{name, inputs, output, {}};
    TracedOp note = std::exchange(listener->noted_, {});
    if (note.output.impl() == output.impl()) {
      op.attributes = std::move(note.attributes);
      op.inputs.insert(op.inputs.end(), note.inputs.begin(), note.inputs.end());
    }
    listener->ops_.push_back(std::move(op));
  }
};

void trace_op(const char* name, const std::vector<Tensor>& inputs,
              const Tensor& output) {
  TraceAccess::add(name, inputs, output);
}

TraceAttributes attributes_of(const Conv2dGeometry& g) {
  using Ints = std::vector<std::int64_t>;
  return {{"kernel", Ints{g.kernel_h, g.kernel_w}},
          {"stride", Ints{g.stride_h, g.stride_w}},
          {"pads", Ints{g.pad_top, g.pad_left, g.pad_bottom, g.pad_right}},
          {"dilation", Ints{g.dilation_h, g.dilation_w}},
          {"groups", g.groups}};
}

}  // namespace detail

Trace::Trace() noexcept : outer_(listener) { listener = this; }
Trace::~Trace() { listener = outer_; }

bool tracing() noexcept { return listener != nullptr; }

void trace_note(const Tensor& y, const TraceAttributes& attributes,
                const std::vector<Tensor>& more_inputs) {
  if (tracing()) detail::TraceAccess::note(y, attributes, more_inputs);
}

}  // namespace mjolnir
