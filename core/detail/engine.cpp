#include <atomic>
#include <queue>
#include <utility>

#include "core/detail/accumulate.h"
#include "core/detail/node.h"
#include "core/detail/tensor_impl.h"

namespace mjolnir::detail {
namespace {

std::atomic<std::uint64_t> last_run{0};

// Later recorded nodes run first; leaves at once, which frees their gradient.
struct RunsLater {
  static std::uint64_t rank(const Node* node) {
    return node->is_leaf ? ~std::uint64_t{0} : node->sequence;
  }
  bool operator()(const Node* a, const Node* b) const {
    return rank(a) < rank(b);
  }
};

class Engine {
 public:
  explicit Engine(const EngineCall& call) : call_(call), id_(++last_run) {
    pass_.id = id_;
    pass_.purpose = call.purpose;
    pass_.create_graph = call.create_graph;
  }
  ~Engine() {
    for (Node* node : order_) node->run = NodeRun();
    for (const auto& target : call_.targets) {
      if (target) target->run.target = false;
    }
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  std::vector<Tensor> run();

 private:
  void discover(Node* root);
  bool enter(Node* node);
  void count_consumers();
  void give(Node* node, Tensor gradient);
  void run_node(Node* node);
  void run_backward_function(Node* node, const Tensor& gradient);
  void accumulate_leaf(Node* node, Tensor gradient) const;

  const EngineCall& call_;
  const std::uint64_t id_;
  BackwardPass pass_;
  std::vector<Node*> order_;                 // in order of discovery
  std::vector<std::shared_ptr<Node>> keep_;  // inputs of released nodes
  std::priority_queue<Node*, std::vector<Node*>, RunsLater> ready_;
  std::vector<Tensor> found_;  // one per target
};

// First visit of a node; false if it was visited before.
bool Engine::enter(Node* node) {
  if (node->run.id == id_) return false;
  if (node->run.id != 0) {
    throw ValueError("[backward] op " + node->name +
                     " is already part of a running backward call; a hook "
                     "must not run the graph that called it");
  }
  if (node->released && !node->run.target) {
    throw ValueError("[backward] the graph of op " + node->name +
                     " was already released by an earlier backward call; "
                     "pass retain_graph to that call to run it again");
  }
  node->run.id = id_;
  node->run.wanted = node->run.target || (call_.accumulate && node->is_leaf) ||
                     (call_.purpose != Purpose::Silent && !node->taps.empty());
  order_.push_back(node);
  return true;
}

// Depth first without recursion; afterwards every node knows whether
// something that wants a gradient lies at or below it.
void Engine::discover(Node* root) {
  struct Frame {
    Node* node;
    std::size_t next;
  };
  std::vector<Frame> stack;
  if (enter(root)) stack.push_back({root, 0});
  while (!stack.empty()) {
    Frame& frame = stack.back();
    if (frame.next < frame.node->inputs.size()) {
      Node* child = frame.node->inputs[frame.next++].get();
      if (child != nullptr && enter(child)) stack.push_back({child, 0});
      continue;
    }
    for (const auto& child : frame.node->inputs) {
      if (child && child->run.wanted) frame.node->run.wanted = true;
    }
    stack.pop_back();
  }
}

void Engine::count_consumers() {
  for (Node* node : order_) {
    if (!node->run.wanted) continue;
    for (const auto& child : node->inputs) {
      if (child && child->run.wanted) ++child->run.pending;
    }
  }
}

void Engine::give(Node* node, Tensor gradient) {
  if (!gradient.defined()) return;
  node->run.gradient =
      accumulate(std::move(node->run.gradient), std::move(gradient));
}

std::vector<Tensor> Engine::run() {
  found_.resize(call_.targets.size());
  for (const auto& target : call_.targets) {
    if (target) target->run.target = true;
  }
  for (const auto& root : call_.roots) discover(root.get());
  count_consumers();
  for (std::size_t i = 0; i < call_.roots.size(); ++i) {
    give(call_.roots[i].get(), call_.gradients[i]);
  }
  for (Node* node : order_) {
    if (node->run.wanted && node->run.pending == 0) ready_.push(node);
  }
  while (!ready_.empty()) {
    Node* node = ready_.top();
    ready_.pop();
    run_node(node);
  }
  return std::move(found_);
}

void Engine::run_node(Node* node) {
  Tensor gradient = std::move(node->run.gradient);
  node->run.gradient = Tensor();
  const bool run_hooks = call_.purpose != Purpose::Curvature;
  if (gradient.defined() && run_hooks && !node->hooks.empty()) {
    const auto hooks = node->hooks;  // a hook may remove itself
    for (const Node::HookEntry& hook : hooks) {
      const Tensor replaced = hook.call(gradient);
      if (!replaced.defined()) continue;
      if (replaced.shape() != node->shape || replaced.dtype() != node->dtype) {
        throw ShapeError("[on_gradient] a hook must return a gradient of " +
                         node->shape.str() + " " + name_of(node->dtype) +
                         ", got " + replaced.shape().str() + " " +
                         name_of(replaced.dtype()));
      }
      gradient = replaced;
    }
  }
  if (node->run.target) {
    if (!gradient.defined()) {
      TensorOptions options;
      options.dtype = node->dtype;
      gradient = Tensor::zeros(node->shape, options);
    }
    for (std::size_t i = 0; i < call_.targets.size(); ++i) {
      if (call_.targets[i].get() == node) found_[i] = gradient;
    }
  }
  if (gradient.defined() && call_.purpose != Purpose::Silent) {
    for (const Node::Tap& tap : node->taps) tap(gradient, pass_);
  }
  if (node->is_leaf) {
    if (call_.accumulate && gradient.defined()) {
      accumulate_leaf(node, std::move(gradient));
    }
    return;
  }
  run_backward_function(node, gradient);
}

void Engine::run_backward_function(Node* node, const Tensor& gradient) {
  std::vector<char> needs(node->inputs.size(), 0);
  bool any = false;
  for (std::size_t i = 0; i < needs.size(); ++i) {
    needs[i] = node->inputs[i] && node->inputs[i]->run.wanted ? 1 : 0;
    any = any || needs[i] != 0;
  }
  std::vector<Tensor> gradients(needs.size());
  if (any && gradient.defined()) {
    const RunningNode scope(node->shared_from_this());
    gradients = node->backward(gradient, BackwardContext(pass_, needs));
    if (gradients.size() != needs.size()) {
      throw ValueError("[" + node->name + "] its backward function returned " +
                       std::to_string(gradients.size()) + " gradients for " +
                       std::to_string(needs.size()) + " inputs");
    }
  }
  for (std::size_t i = 0; i < needs.size(); ++i) {
    if (needs[i] == 0) continue;
    Node* input = node->inputs[i].get();
    if (gradients[i].defined() && (gradients[i].shape() != input->shape ||
                                   gradients[i].dtype() != input->dtype)) {
      throw ShapeError("[" + node->name + "] its gradient of input " +
                       std::to_string(i) + " must be " + input->shape.str() +
                       " " + name_of(input->dtype) + ", got " +
                       gradients[i].shape().str() + " " +
                       name_of(gradients[i].dtype()));
    }
    give(input, std::move(gradients[i]));
    if (--input->run.pending == 0) ready_.push(input);
  }
  if (!call_.retain_graph) {
    // The nodes below stay alive until this call ends.
    keep_.insert(keep_.end(), node->inputs.begin(), node->inputs.end());
    node->release();
  }
}

void Engine::accumulate_leaf(Node* node, Tensor gradient) const {
  const std::shared_ptr<TensorImpl> impl = node->leaf.lock();
  if (!impl) return;
  gradient = gradient.to(impl->layout);
  impl->grad = impl->grad.defined()
                   ? accumulate(std::move(impl->grad), std::move(gradient))
                   : own(std::move(gradient), call_.create_graph);
}

}  // namespace

std::vector<Tensor> run_backward(const EngineCall& call) {
  Engine engine(call);
  if (call.create_graph) {
    const EnableGrad guard;
    return engine.run();
  }
  const NoGrad guard;
  return engine.run();
}

}  // namespace mjolnir::detail
