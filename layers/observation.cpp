#include <mjolnir/layers/observation.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <mjolnir/core/error.h>

namespace mjolnir {

ObservationHandle::ObservationHandle(std::function<void()> detach)
    : detach_(std::move(detach)) {}

ObservationHandle::~ObservationHandle() {
  if (detach_) detach_();
}

ObservationHandle::ObservationHandle(ObservationHandle&& other) noexcept
    : detach_(std::exchange(other.detach_, nullptr)) {}

ObservationHandle& ObservationHandle::operator=(
    ObservationHandle&& other) noexcept {
  if (this == &other) return *this;
  if (detach_) detach_();
  detach_ = std::exchange(other.detach_, nullptr);
  return *this;
}

/** Shared with the taps on recorded outputs, which may outlive the layer. */
struct ObservedLayer::State {
  using Entry = std::pair<std::uint64_t, std::shared_ptr<LayerObserver>>;
  std::vector<Entry> observers;
  std::uint64_t last = 0;
  ObservationHandle own;  // holds no reference to this state

  void remove(std::uint64_t key) {
    observers.erase(
        std::remove_if(observers.begin(), observers.end(),
                       [key](const Entry& e) { return e.first == key; }),
        observers.end());
  }
};

ObservedLayer::ObservedLayer() = default;
ObservedLayer::~ObservedLayer() = default;

ObservationHandle ObservedLayer::attach(
    std::shared_ptr<LayerObserver> observer) {
  if (!observer) throw ValueError("[observe] expected an observer, got none");
  if (!state_) state_ = std::make_shared<State>();
  const std::uint64_t key = ++state_->last;
  state_->observers.emplace_back(key, std::move(observer));
  return ObservationHandle([weak = std::weak_ptr<State>(state_), key] {
    if (const std::shared_ptr<State> state = weak.lock()) state->remove(key);
  });
}

void ObservedLayer::attach_own(std::shared_ptr<LayerObserver> observer) {
  ObservationHandle handle = attach(std::move(observer));
  state_->own = std::move(handle);
}

bool ObservedLayer::is_observed() const noexcept {
  return state_ != nullptr && !state_->observers.empty();
}

void ObservedLayer::clear_observations() const {
  if (!state_) return;
  const std::vector<State::Entry> observers = state_->observers;
  for (const State::Entry& entry : observers) entry.second->clear();
}

void ObservedLayer::tap(const Tensor& y, Show show) {
  if (!is_observed() || !y.requires_grad()) return;
  on_backward(y, [state = state_, show = std::move(show)](
                     const Tensor& dy, const BackwardPass& pass) {
    const std::vector<State::Entry> listeners = state->observers;
    for (const State::Entry& entry : listeners) {
      LayerObserver& observer = *entry.second;
      if (observer.collecting() && observer.purpose() == pass.purpose) {
        show(observer, dy, pass);
      }
    }
  });
}

}  // namespace mjolnir
