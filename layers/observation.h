#pragma once

#include <functional>
#include <memory>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir {

/** Whoever is shown something of a layer in backward passes; what, says the
 * kind of observer: CurvatureObserver, ScaleShiftObserver. */
class LayerObserver {
 public:
  virtual ~LayerObserver() = default;
  /** False while there is nothing to collect: the layer then skips it. */
  virtual bool collecting() const { return true; }
  /** Which backward calls it wants: Training (default) or Curvature. */
  virtual Purpose purpose() const { return Purpose::Training; }
  /** Forgets what it gathered: called from zero_grad(). */
  virtual void clear() = 0;
};

/** Keeps an observer attached; detaches it when destroyed. */
class ObservationHandle {
 public:
  ObservationHandle() = default;
  explicit ObservationHandle(std::function<void()> detach);
  ~ObservationHandle();
  ObservationHandle(ObservationHandle&& other) noexcept;
  ObservationHandle& operator=(ObservationHandle&& other) noexcept;

 private:
  std::function<void()> detach_;
};

/**
 * A layer that can be observed, each kind of it (CurvatureSource,
 * ScaleShiftSource) by its own kind of observer; a layer is of one kind. While
 * nobody observes, that costs a null test per forward pass.
 */
class ObservedLayer {
 public:
  ObservedLayer();
  virtual ~ObservedLayer();
  ObservedLayer(const ObservedLayer&) = delete;
  ObservedLayer& operator=(const ObservedLayer&) = delete;

  /** Clears every observer: a new window. zero_grad() of a module, and of an
   * optimizer made from one, calls it. */
  void clear_observations() const;

 protected:
  /** Shows one observer a backward pass. */
  using Show = std::function<void(LayerObserver& observer, const Tensor& dy,
                                  const BackwardPass& pass)>;

  /** Attaches an observer until the handle goes; several may coexist. Throws
   * ValueError for none. */
  ObservationHandle attach(std::shared_ptr<LayerObserver> observer);
  /** Attaches an observer of the layer's own in the place of the one before; it
   * observes as long as the layer or a graph through it is there. */
  void attach_own(std::shared_ptr<LayerObserver> observer);
  bool is_observed() const noexcept;
  /** Calls `show` in every backward pass through y for each observer that
   * collects and wants such passes. Free without observers. */
  void tap(const Tensor& y, Show show);

 private:
  struct State;

  std::shared_ptr<State> state_;
};

}  // namespace mjolnir
