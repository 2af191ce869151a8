#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/autograd.h>

namespace mjolnir::detail {

/** What the engine knows of a node during one backward call. */
struct NodeRun {
  std::uint64_t id = 0;  // of the call that these belong to
  bool entered = false;  // reached from a root
  bool wanted = false;   // something that wants a gradient is at or below it
  bool target = false;   // an input of grad()
  bool busy = false;     // wanted by a call that this one was made from
  std::int64_t pending = 0;  // wanted consumers that have not run yet
  Tensor gradient;           // sum of what they gave
};

/**
 * A recorded op, or the end of the graph at a leaf. Edges point from a
 * result to what it was made of, so the loss owns the graph.
 */
struct Node : std::enable_shared_from_this<Node> {
  using Hook = std::function<Tensor(const Tensor&)>;
  using Tap = std::function<void(const Tensor&, const BackwardPass&)>;
  struct HookEntry {
    std::uint64_t id;
    Hook call;
  };

  std::string name;
  std::uint64_t sequence = 0;  // order of recording
  Shape shape;                 // of the output
  DType dtype = DType::F32;
  // Null: wants no gradient. A released node keeps them or what lies behind
  // them, so that a later grad() can tell whether it would have to run it.
  std::vector<std::shared_ptr<Node>> inputs;
  BackwardFunction backward;
  std::vector<HookEntry> hooks;
  std::vector<Tap> taps;
  bool is_leaf = false;
  bool released = false;
  bool calling = false;              // its hooks or taps are running
  std::weak_ptr<TensorImpl> leaf;    // of a leaf node
  Layout layout = Layout::RowMajor;  // of a leaf, and so of its gradient
  NodeRun run;

  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node();

  /** Drops the closure with what it saved, the hooks and the taps. */
  void release();
};

/** The node whose backward function runs on this thread, or null. */
const std::shared_ptr<Node>& running_node() noexcept;

/** Makes a node the running one for a scope. */
class RunningNode {
 public:
  explicit RunningNode(std::shared_ptr<Node> node) noexcept;
  ~RunningNode();
  RunningNode(const RunningNode&) = delete;
  RunningNode& operator=(const RunningNode&) = delete;

 private:
  std::shared_ptr<Node> previous_;
};

/** Next number in the order of recording. */
std::uint64_t next_sequence() noexcept;

/** One backward call: from roots with their gradients down the graph. */
struct EngineCall {
  const char* name = "backward";  // for errors
  std::vector<std::shared_ptr<Node>> roots;
  std::vector<Tensor> gradients;               // one per root
  std::vector<std::shared_ptr<Node>> targets;  // of grad(); else empty
  Purpose purpose = Purpose::Training;
  bool accumulate = false;  // into the leaves' grad()
  bool create_graph = false;
  bool retain_graph = false;
};

/** Runs the call; gives one gradient per target (undefined: unreachable). A
 * hook, tap or backward function may make another one, whose graph may share
 * leaves with this call's. */
std::vector<Tensor> run_backward(const EngineCall& call);

}  // namespace mjolnir::detail
