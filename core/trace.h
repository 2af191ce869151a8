#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include <mjolnir/core/tensor.h>

namespace mjolnir {

namespace detail {
class TraceAccess;
}

/** An argument of an op that is not a tensor. */
using TraceValue =
    std::variant<std::int64_t, double, std::vector<std::int64_t>>;
using TraceAttributes = std::map<std::string, TraceValue>;

/** An op as it was called. */
struct TracedOp {
  std::string name;            ///< As given to make_op.
  std::vector<Tensor> inputs;  ///< Then those that trace_note() added.
  Tensor output;
  TraceAttributes attributes;  ///< Those of trace_note().
};

/**
 * Lists the ops that are called on this thread in its scope, whether gradients
 * are recorded or not: a program that another one can run is made of such a
 * list. Where scopes are nested the inner one listens.
 */
class Trace {
 public:
  Trace() noexcept;
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  /** In the order of the calls; keeps their tensors alive. */
  const std::vector<TracedOp>& ops() const noexcept { return ops_; }

 private:
  friend class detail::TraceAccess;
  std::vector<TracedOp> ops_;
  TracedOp noted_;  // what trace_note() said of the next one
  Trace* outer_;
};

/** True in the scope of a Trace on this thread. */
bool tracing() noexcept;

/**
 * Just before make_op: says how the op that gives `y` was called, and which
 * inputs it has besides those that can have a gradient. Nothing happens unless
 * tracing(), which is to be asked first where `attributes` cost something.
 */
void trace_note(const Tensor& y, const TraceAttributes& attributes,
                const std::vector<Tensor>& more_inputs = {});

}  // namespace mjolnir
