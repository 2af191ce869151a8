#include <mjolnir/core/autograd.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/detail/node.h"
#include "core/detail/tensor_impl.h"
#include "core/detail/trace.h"

namespace mjolnir {
namespace {

using detail::Node;
using detail::TensorImpl;

thread_local bool recording = true;
std::atomic<std::uint64_t> last_hook{0};

TensorImpl& need(const Tensor& x, const char* call) {
  if (!x.defined()) {
    throw ValueError("[" + std::string(call) + "] the tensor is undefined");
  }
  return *x.impl();
}

std::shared_ptr<Node> make_leaf_node(const std::shared_ptr<TensorImpl>& impl) {
  auto node = std::make_shared<Node>();
  node->name = "leaf";
  node->is_leaf = true;
  node->shape = impl->shape;
  node->dtype = impl->dtype;
  node->leaf = impl;
  node->layout = impl->layout;
  return node;
}

void check_gradient(const char* call, const Tensor& gradient,
                    const TensorImpl& of) {
  if (gradient.shape() != of.shape) {
    throw ShapeError("[" + std::string(call) +
                     "] expected a gradient of shape " + of.shape.str() +
                     ", got " + gradient.shape().str());
  }
  if (gradient.dtype() != of.dtype) {
    throw ValueError("[" + std::string(call) + "] expected a gradient of " +
                     name_of(of.dtype) + ", got " + name_of(gradient.dtype()));
  }
}

// Gradient to start from: the given one, or 1 for a single element.
Tensor start_gradient(const char* call, const Tensor& output,
                      const Tensor& given) {
  if (given.defined()) {
    check_gradient(call, given, *output.impl());
    return given;
  }
  if (output.numel() != 1) {
    throw ValueError("[" + std::string(call) +
                     "] expected a tensor of one element, got shape " +
                     output.shape().str() +
                     "; reduce it with sum() or mean(), or give its gradient");
  }
  return Tensor::ones_like(output);
}

std::shared_ptr<Node> start_node(const char* call, const Tensor& output) {
  std::shared_ptr<Node> node = detail::gradient_node(need(output, call));
  if (!node) {
    throw ValueError("[" + std::string(call) +
                     "] the tensor is not connected to anything that wants a "
                     "gradient; was it computed under NoGrad, or are all "
                     "parameters frozen?");
  }
  return node;
}

}  // namespace

// ---- recording -----------------------------------------------------------

bool grad_enabled() noexcept { return recording; }

NoGrad::NoGrad() noexcept : previous_(std::exchange(recording, false)) {}
NoGrad::~NoGrad() { recording = previous_; }

EnableGrad::EnableGrad() noexcept : previous_(std::exchange(recording, true)) {}
EnableGrad::~EnableGrad() { recording = previous_; }

Saved::Saved(const Tensor& tensor)
    : tensor_(tensor), version_(tensor.defined() ? tensor.version() : 0) {}

Saved Saved::output(const Tensor& y) {
  Saved saved(y.detach());
  saved.is_output_ = true;
  return saved;
}

Tensor Saved::get() const {
  if (!tensor_.defined()) return tensor_;
  const std::shared_ptr<Node>& node = detail::running_node();
  if (tensor_.version() != version_) {
    throw ValueError("[" + (node ? node->name : std::string("Saved")) +
                     "] a tensor of shape " + tensor_.shape().str() +
                     " that the backward pass needs was changed after it was "
                     "used (version " +
                     std::to_string(version_) + ", now " +
                     std::to_string(tensor_.version()) +
                     "); change it after backward(), or change a clone()");
  }
  if (!is_output_ || !recording || !node) return tensor_;
  auto attached = detail::alias(*tensor_.impl());
  attached->producer = node;
  return Tensor(std::move(attached));
}

Tensor make_op(const char* name, const std::vector<Tensor>& inputs,
               const Tensor& output, BackwardFunction backward) {
  TensorImpl& out = need(output, name);
  if (out.producer || out.requires_grad) {
    throw ValueError("[" + std::string(name) +
                     "] the output of make_op must be fresh, but it is "
                     "already part of a graph; return a detach() or clone()");
  }
  if (!backward) {
    throw ValueError("[" + std::string(name) +
                     "] make_op got no backward function");
  }
  for (const Tensor& input : inputs) {
    if (input.impl() != output.impl()) continue;
    throw ValueError("[" + std::string(name) +
                     "] the output of make_op must be fresh, but it is one of "
                     "the inputs; return its detach() or clone()");
  }
  if (tracing()) detail::trace_op(name, inputs, output);
  if (!recording) return output;
  std::vector<std::shared_ptr<Node>> edges(inputs.size());
  bool wanted = false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined()) continue;
    edges[i] = detail::gradient_node(*inputs[i].impl());
    wanted = wanted || edges[i] != nullptr;
  }
  if (!wanted) return output;
  if (!is_floating(out.dtype)) {
    throw ValueError("[" + std::string(name) +
                     "] a recorded op must give f32 or f64, got " +
                     name_of(out.dtype));
  }
  auto node = std::make_shared<Node>();
  node->name = name;
  node->sequence = detail::next_sequence();
  node->shape = out.shape;
  node->dtype = out.dtype;
  node->inputs = std::move(edges);
  node->backward = std::move(backward);
  out.producer = std::move(node);
  return output;
}

void on_backward(
    const Tensor& y,
    std::function<void(const Tensor& dy, const BackwardPass& pass)> tap) {
  const std::shared_ptr<Node> node =
      detail::gradient_node(need(y, "on_backward"));
  if (node) node->taps.push_back(std::move(tap));
}

// ---- a tensor's own part -------------------------------------------------

bool Tensor::requires_grad() const {
  return detail::gradient_node(need(*this, "requires_grad")) != nullptr;
}

const Tensor& Tensor::set_requires_grad(bool value) const {
  TensorImpl& impl = need(*this, "set_requires_grad");
  if (impl.producer) {
    throw ValueError(
        "[set_requires_grad] the tensor is the result of a recorded op; only "
        "a leaf can be marked, e.g. its detach()");
  }
  if (value && !is_floating(impl.dtype)) {
    throw ValueError("[set_requires_grad] expected f32 or f64, got " +
                     std::string(name_of(impl.dtype)));
  }
  impl.requires_grad = value;
  if (value && !impl.leaf) impl.leaf = make_leaf_node(impl_);
  return *this;
}

bool Tensor::is_leaf() const {
  return need(*this, "is_leaf").producer == nullptr;
}

Tensor Tensor::grad() const { return need(*this, "grad").grad; }

void Tensor::set_grad(const Tensor& gradient) const {
  TensorImpl& impl = need(*this, "set_grad");
  if (!gradient.defined()) {
    impl.grad = gradient;
    return;
  }
  check_gradient("set_grad", gradient, impl);
  impl.grad = gradient.to(impl.layout);
}

void Tensor::zero_grad() const { need(*this, "zero_grad").grad = Tensor(); }

HookHandle Tensor::on_gradient(std::function<Tensor(const Tensor&)> f) const {
  const std::shared_ptr<Node> node =
      detail::gradient_node(need(*this, "on_gradient"));
  if (!node) {
    throw ValueError(
        "[on_gradient] no gradient flows to this tensor; mark it with "
        "set_requires_grad(true) or compute it while recording is on");
  }
  const std::uint64_t id = ++last_hook;
  node->hooks.push_back({id, std::move(f)});
  const std::weak_ptr<Node> weak = node;
  return HookHandle([weak, id] {
    const std::shared_ptr<Node> alive = weak.lock();
    if (!alive) return;
    auto& hooks = alive->hooks;
    hooks.erase(std::remove_if(hooks.begin(), hooks.end(),
                               [id](const Node::HookEntry& hook) {
                                 return hook.id == id;
                               }),
                hooks.end());
  });
}

HookHandle::HookHandle(std::function<void()> remove)
    : remove_(std::make_shared<std::function<void()>>(std::move(remove))) {}

void HookHandle::remove() {
  if (remove_ && *remove_) std::exchange(*remove_, nullptr)();
}

// ---- running -------------------------------------------------------------

void Tensor::backward() const { backward(BackwardOptions()); }

void Tensor::backward(const BackwardOptions& options) const {
  detail::EngineCall call;
  call.roots = {start_node("backward", *this)};
  call.gradients = {start_gradient("backward", *this, options.gradient)};
  call.create_graph = options.create_graph;
  call.retain_graph = options.retain_graph || options.create_graph;
  call.purpose = options.curvature_only ? Purpose::Curvature
                 : options.create_graph ? Purpose::Silent
                                        : Purpose::Training;
  call.accumulate = !options.curvature_only;
  if (options.curvature_only && options.create_graph) {
    throw ValueError(
        "[backward] curvature_only accumulates no gradient, so create_graph "
        "has nothing to record; give one of them");
  }
  detail::run_backward(call);
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs,
                         const std::vector<Tensor>& inputs,
                         const GradOptions& options) {
  if (!options.grad_outputs.empty() &&
      options.grad_outputs.size() != outputs.size()) {
    throw ValueError("[grad] expected one gradient per output (" +
                     std::to_string(outputs.size()) + "), got " +
                     std::to_string(options.grad_outputs.size()));
  }
  detail::EngineCall call;
  call.name = "grad";
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    call.roots.push_back(start_node("grad", outputs[i]));
    call.gradients.push_back(start_gradient(
        "grad", outputs[i],
        options.grad_outputs.empty() ? Tensor() : options.grad_outputs[i]));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    call.targets.push_back(detail::gradient_node(need(inputs[i], "grad")));
  }
  call.purpose = Purpose::Silent;
  call.create_graph = options.create_graph;
  call.retain_graph = options.retain_graph || options.create_graph;
  std::vector<Tensor> gradients = detail::run_backward(call);
  for (std::size_t i = 0; i < inputs.size() && !options.allow_unused; ++i) {
    if (!gradients[i].defined()) {
      throw ValueError("[grad] the outputs do not depend on input " +
                       std::to_string(i) + " of shape " +
                       inputs[i].shape().str() +
                       "; set allow_unused to get an undefined gradient");
    }
  }
  return gradients;
}

}  // namespace mjolnir
