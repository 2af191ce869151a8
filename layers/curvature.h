#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/geometry.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir {

/** What kind of layer a record comes from. */
enum class CurvatureKind : std::uint8_t { Conv2d, Dense, Embedding };

/**
 * What a layer with curvature shows its observers, once per use in a
 * backward pass: its input and the gradient of the loss with respect to its
 * output. Both are only read, and only valid during the call.
 */
struct CurvatureRecord {
  CurvatureKind kind = CurvatureKind::Dense;
  Tensor x;  ///< Conv2d (N,C,H,W); Dense (N,...,D_in); Embedding ids (N,...).
  Tensor dout;              ///< Conv2d (N,O,H',W'); otherwise (N,...,D_out).
  Conv2dGeometry geometry;  ///< Conv2d only.
  std::int64_t groups = 1;
  std::int64_t samples = 0;  ///< N; counted once per pass.
  std::uint64_t pass = 0;    ///< Unique per backward call.
};

/** Sees the records of the layers it observes. */
class CurvatureObserver {
 public:
  virtual ~CurvatureObserver() = default;
  virtual void record(const CurvatureRecord& record) = 0;
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
 * A layer whose Fisher block can be observed. Sources are born dormant in
 * Conv2d, Dense and Embedding, enabled in Conv2dThor and DenseThor.
 */
class CurvatureSource {
 public:
  CurvatureSource();
  virtual ~CurvatureSource();

  /** Attaches an observer; several may coexist. Enables the source. */
  ObservationHandle observe(std::shared_ptr<CurvatureObserver> observer);

  virtual CurvatureKind curvature_kind() const = 0;
  /** The preconditioned tensor: weight (O,I/g,kh,kw), (O,I) or (V,E). */
  virtual Tensor curvature_weight() const = 0;
  virtual Conv2dGeometry curvature_geometry() const { return {}; }

 protected:
  /** Called by the layer's forward: y = layer(x). Hands (x, dy) to the
   * observers in every backward pass through y. Free when dormant. */
  void watch(const Tensor& x, const Tensor& y);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mjolnir
