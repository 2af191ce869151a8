#include "core/detail/node.h"

#include <atomic>
#include <new>
#include <utility>

namespace mjolnir::detail {
namespace {

// A node's closures and edges own the nodes below it. Freed naively, a long
// chain would recurse once per node; here each destructor hands its content
// to the list of the outermost one, which empties it in a loop.
struct Remains {
  BackwardFunction backward;
  std::vector<std::shared_ptr<Node>> inputs;
  std::vector<Node::HookEntry> hooks;
  std::vector<Node::Tap> taps;
};

thread_local std::vector<Remains>* pending_remains = nullptr;

// A destructor must not throw: without memory for the list, the content is
// freed on the spot.
void bury(Remains remains) noexcept {
  if (pending_remains != nullptr) {
    try {
      pending_remains->push_back(std::move(remains));
    } catch (const std::bad_alloc&) {
    }
    return;
  }
  std::vector<Remains> list;
  pending_remains = &list;
  { const Remains first = std::move(remains); }
  while (!list.empty()) {
    const Remains next = std::move(list.back());
    list.pop_back();
  }
  pending_remains = nullptr;
}

thread_local std::shared_ptr<Node> running;
std::atomic<std::uint64_t> sequence{0};

}  // namespace

void Node::release() {
  if (is_leaf) return;
  released = true;
  bury({std::exchange(backward, nullptr),
        {},
        std::exchange(hooks, {}),
        std::exchange(taps, {})});
}

Node::~Node() {
  if (!inputs.empty() || backward || !hooks.empty() || !taps.empty()) {
    bury({std::move(backward), std::move(inputs), std::move(hooks),
          std::move(taps)});
  }
}

const std::shared_ptr<Node>& running_node() noexcept { return running; }

RunningNode::RunningNode(std::shared_ptr<Node> node) noexcept
    : previous_(std::exchange(running, std::move(node))) {}

RunningNode::~RunningNode() { running = std::move(previous_); }

std::uint64_t next_sequence() noexcept { return ++sequence; }

}  // namespace mjolnir::detail
