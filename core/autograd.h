#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>

namespace mjolnir {

/**
 * What a backward call does; see Tensor::backward. That throws ValueError for a
 * tensor that nothing that wants a gradient is connected to, one of more than
 * one element without `gradient`, a `gradient` of another dtype (ShapeError:
 * shape), a graph that was released or that a call around this one is running,
 * a saved buffer that was changed, or curvature_only with create_graph; what
 * backward functions and hooks throw passes through. An error in the middle
 * leaves the graph half released, and gradients that were complete by then in
 * the grad() of their leaves: zero_grad() and compute the loss again.
 */
struct BackwardOptions {
  /** Keeps the graph for another backward call. */
  bool retain_graph = false;
  /** Records the backward pass itself, so that gradients can be
   * differentiated again; implies retain_graph. */
  bool create_graph = false;
  /** Feeds the observers that asked for curvature passes; accumulates no
   * gradient and runs no hook. */
  bool curvature_only = false;
  /** Gradient of the final objective with respect to this tensor; undefined
   * means 1, which needs a tensor of one element. */
  Tensor gradient = {};
};

/** Options of grad(). */
struct GradOptions {
  /** Records the computation, so that the results can be differentiated. */
  bool create_graph = false;
  /** Keeps the graph; create_graph implies it. */
  bool retain_graph = false;
  /** Gives an undefined Tensor for an input the outputs do not depend on,
   * instead of throwing ValueError. */
  bool allow_unused = false;
  /** Gradients with respect to the outputs; empty means ones, for outputs of
   * one element. */
  std::vector<Tensor> grad_outputs = {};
};

/**
 * Gradients of the sum of `outputs` with respect to `inputs` (leaves or
 * intermediate results), in their order, those of leaves in the leaf's layout;
 * nothing is accumulated and no observer is fed. Only what lies between them is
 * run and released. Throws as Tensor::backward does (see BackwardOptions; a
 * released graph that need not run is no error), and ValueError for an unused
 * input or grad_outputs of another number.
 */
std::vector<Tensor> grad(const std::vector<Tensor>& outputs,
                         const std::vector<Tensor>& inputs,
                         const GradOptions& options = {});

/** True if ops on this thread record their gradients. */
bool grad_enabled() noexcept;

/** Stops recording on this thread for a scope. */
class NoGrad {
 public:
  NoGrad() noexcept;
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool previous_;
};

/** Records on this thread for a scope, inside a NoGrad too. */
class EnableGrad {
 public:
  EnableGrad() noexcept;
  ~EnableGrad();
  EnableGrad(const EnableGrad&) = delete;
  EnableGrad& operator=(const EnableGrad&) = delete;

 private:
  bool previous_;
};

/** What a backward call is for; grad() and create_graph feed nobody. */
enum class Purpose : std::uint8_t { Training, Curvature, Silent };

/** The backward call that is running. */
struct BackwardPass {
  std::uint64_t id = 0;  ///< Unique per backward call in this process.
  Purpose purpose = Purpose::Training;
  bool create_graph = false;
};

/** What an op's backward function learns of its call. */
class BackwardContext {
 public:
  BackwardContext(const BackwardPass& pass, const std::vector<char>& needs,
                  bool may_overwrite = false)
      : pass_(pass), needs_(needs), may_overwrite_(may_overwrite) {}
  /** True if the gradient of input i will be used; else leave it undefined. */
  bool needs(std::size_t i) const noexcept { return needs_[i] != 0; }
  /** True if nobody but the function sees dy, so that a result may take its
   * place in memory. */
  bool may_overwrite() const noexcept { return may_overwrite_; }
  /** The call that runs it. */
  const BackwardPass& pass() const noexcept { return pass_; }

 private:
  const BackwardPass& pass_;
  const std::vector<char>& needs_;
  bool may_overwrite_;
};

/**
 * Gradient of an op: from the gradient of its output to one gradient per
 * input, in order. Written with ops, it can itself be differentiated.
 */
using BackwardFunction = std::function<std::vector<Tensor>(
    const Tensor& dy, const BackwardContext& context)>;

/**
 * A tensor kept for the backward pass, so that a change of its buffer in
 * between is noticed.
 */
class Saved {
 public:
  /** Keeps an undefined tensor. */
  Saved() = default;
  /** Keeps an input, with its place in the graph; may be undefined. */
  explicit Saved(const Tensor& tensor);
  /** Keeps the result of the op being made, without the graph owning itself:
   * get() gives a tensor that is attached to the node that runs. */
  static Saved output(const Tensor& y);
  /** The tensor. Throws ValueError, naming the op that runs, if its buffer was
   * changed since. */
  Tensor get() const;

 private:
  Tensor tensor_;
  std::uint64_t version_ = 0;
  bool is_output_ = false;
};

/**
 * Records `output` as the result of op `name` on `inputs`: the way every op,
 * in this tree or outside, joins the graph. `output` must be fresh (no op may
 * have produced it, and it may not be an input). Does nothing but return
 * `output` when recording is off or no input wants a gradient. `backward` must
 * return one gradient per input, of the input's shape and dtype; undefined
 * means zero. Throws ValueError, naming the op, for an output that is not fresh
 * or, recorded, not f32 or f64, and without a `backward`.
 */
Tensor make_op(const char* name, const std::vector<Tensor>& inputs,
               const Tensor& output, BackwardFunction backward);

/**
 * Calls `tap` in every loss.backward() (training and curvature passes) with
 * the complete gradient of `y`, after its hooks and before the op that made
 * it runs. grad() and create_graph calls do not run taps, nor does a call that
 * one of the tensor's hooks or taps makes. Does nothing for a tensor outside
 * the graph.
 */
void on_backward(
    const Tensor& y,
    std::function<void(const Tensor& dy, const BackwardPass& pass)> tap);

}  // namespace mjolnir
