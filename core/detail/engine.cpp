#include <algorithm>
#include <atomic>
#include <iterator>
#include <queue>
#include <utility>

#include "core/detail/accumulate.h"
#include "core/detail/node.h"
#include "core/detail/tensor_impl.h"

namespace mjolnir::detail {
namespace {

std::atomic<std::uint64_t> last_run{0};

// The graph of a small network fits in what is reserved at once.
constexpr std::size_t few_nodes = 64;

// Later recorded nodes run first; leaves at once, which frees their gradient.
struct RunsLater {
  static std::uint64_t rank(const Node* node) {
    return node->is_leaf ? ~std::uint64_t{0} : node->sequence;
  }
  bool operator()(const Node* a, const Node* b) const {
    return rank(a) < rank(b);
  }
};

// Marks a node whose hooks or taps run, for a scope.
class Calling {
 public:
  explicit Calling(Node* node) : node_(node) { node_->calling = true; }
  ~Calling() { node_->calling = false; }
  Calling(const Calling&) = delete;
  Calling& operator=(const Calling&) = delete;

 private:
  Node* node_;
};

class Engine {
 public:
  explicit Engine(const EngineCall& call) : call_(call), id_(++last_run) {
    pass_.id = id_;
    pass_.purpose = call.purpose;
    pass_.create_graph = call.create_graph;
    order_.reserve(few_nodes);
  }
  ~Engine() { give_back(); }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  std::vector<Tensor> run();

 private:
  void claim(Node* node);
  void give_back();
  void shorten();
  bool enter(Node* node);
  void discover(Node* root);
  void count_consumers();
  [[noreturn]] void refuse(const Node* node) const;
  void give(Node* node, Tensor gradient);
  void run_node(Node* node);
  Tensor run_hooks(const Node* node, Tensor gradient) const;
  void run_backward_function(Node* node, const Tensor& gradient);
  void accumulate_leaf(Node* node, Tensor gradient) const;

  const EngineCall& call_;
  const std::uint64_t id_;
  BackwardPass pass_;
  std::vector<Node*> order_;                      // in order of discovery
  std::vector<std::pair<Node*, NodeRun>> outer_;  // what calls around this need
  std::priority_queue<Node*, std::vector<Node*>, RunsLater> ready_;
  std::vector<Tensor> found_;  // one per target
};

// Makes the state kept with a node this call's.
void Engine::claim(Node* node) {
  if (node->run.id == id_) return;
  bool busy = false;
  if (node->run.id != 0) {
    busy = node->run.wanted || node->run.busy;
    outer_.emplace_back(node, std::exchange(node->run, NodeRun()));
  }
  node->run.id = id_;
  node->run.busy = busy;
  order_.push_back(node);
}

// Leaves the nodes as an outer call needs them.
void Engine::give_back() {
  for (Node* node : order_) node->run = NodeRun();
  for (auto& [node, run] : outer_) node->run = std::move(run);
  order_.clear();
  outer_.clear();
}

// A tensor that outlives its graph, such as a loss that is kept, would keep
// every released node below: where only one edge leads to such a node, it is
// replaced by the node's own edges. Nodes with one consumer were discovered
// after it, so that reverse order never meets one that is gone.
void Engine::shorten() {
  const std::vector<Node*> order = order_;
  give_back();
  const auto ours = [](const Node* node) {
    return node != nullptr && node->released && node->run.id == 0;
  };
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    if (!ours(*it)) continue;
    std::vector<std::shared_ptr<Node>> ends;
    for (std::shared_ptr<Node>& input : (*it)->inputs) {
      if (ours(input.get()) && input.use_count() == 1) {
        std::vector<std::shared_ptr<Node>> below = std::move(input->inputs);
        if (below.size() > ends.size()) std::swap(below, ends);
        std::move(below.begin(), below.end(), std::back_inserter(ends));
      } else if (input) {
        ends.push_back(std::move(input));
      }
    }
    (*it)->inputs = std::move(ends);
  }
}

// First visit of a node; false if it was visited before.
bool Engine::enter(Node* node) {
  claim(node);
  if (node->run.entered) return false;
  node->run.entered = true;
  node->run.wanted = node->run.target || (call_.accumulate && node->is_leaf) ||
                     (call_.purpose != Purpose::Silent && !node->taps.empty());
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
  stack.reserve(few_nodes);
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
    bool runs = false;
    for (const auto& child : node->inputs) {
      if (!child || !node->run.wanted || !child->run.wanted) continue;
      ++child->run.pending;
      runs = true;
    }
    // Without targets a released node is refused even if nothing below it is
    // wanted: the taps it would have fed are gone.
    if (node->released) runs = runs || call_.targets.empty();
    if (runs && (node->released || node->run.busy)) refuse(node);
  }
}

void Engine::refuse(const Node* node) const {
  const std::string call = "[" + std::string(call_.name) + "] ";
  if (node->run.busy) {
    throw ValueError(call + "op " + node->name +
                     " is already part of a running backward call; a hook "
                     "must not run the graph that called it");
  }
  throw ValueError(call + "the graph of op " + node->name +
                   " was already released by an earlier backward call; "
                   "pass retain_graph to that call to run it again");
}

void Engine::give(Node* node, Tensor gradient) {
  if (!gradient.defined()) return;
  node->run.gradient =
      accumulate(std::move(node->run.gradient), std::move(gradient));
}

std::vector<Tensor> Engine::run() {
  found_.resize(call_.targets.size());
  for (const auto& target : call_.targets) {
    if (!target) continue;
    claim(target.get());
    target->run.target = true;
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
  if (!call_.retain_graph) shorten();
  return std::move(found_);
}

// Hooks may change the list they are in.
Tensor Engine::run_hooks(const Node* node, Tensor gradient) const {
  const auto hooks = node->hooks;
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
    if (node->is_leaf) gradient = gradient.to(node->layout);
  }
  return gradient;
}

void Engine::run_node(Node* node) {
  Tensor gradient = std::move(node->run.gradient);
  node->run.gradient = Tensor();
  if (gradient.defined() && node->is_leaf) gradient = gradient.to(node->layout);
  // A call from within a node's hooks does not run them again: it would for
  // ever.
  const bool calls = gradient.defined() && !node->calling;
  if (calls && !node->hooks.empty() && call_.purpose != Purpose::Curvature) {
    const Calling scope(node);
    gradient = run_hooks(node, std::move(gradient));
  }
  if (node->run.target) {
    if (!gradient.defined()) {
      gradient = Tensor::zeros(node->shape, {node->dtype, node->layout});
    }
    for (std::size_t i = 0; i < call_.targets.size(); ++i) {
      if (call_.targets[i].get() == node) found_[i] = gradient;
    }
  }
  if (calls && !node->taps.empty() && call_.purpose != Purpose::Silent) {
    const Calling scope(node);
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
    const bool alone = !call_.create_graph && unseen(gradient);
    gradients = node->backward(gradient, BackwardContext(pass_, needs, alone));
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
  // A target whose own backward function was not needed is still whole.
  if (!call_.retain_graph && (any || call_.targets.empty())) node->release();
}

void Engine::accumulate_leaf(Node* node, Tensor gradient) const {
  const std::shared_ptr<TensorImpl> impl = node->leaf.lock();
  if (!impl) return;
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
