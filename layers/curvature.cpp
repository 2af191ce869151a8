#include <algorithm>
#include <utility>

#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/module.h>

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
struct CurvatureSource::State {
  using Entry = std::pair<std::uint64_t, std::shared_ptr<CurvatureObserver>>;
  std::vector<Entry> observers;
  std::uint64_t last = 0;
  std::shared_ptr<FactorObserver> factors;
  ObservationHandle own;  // of factors; holds no reference to this state

  void remove(std::uint64_t key) {
    observers.erase(
        std::remove_if(observers.begin(), observers.end(),
                       [key](const Entry& e) { return e.first == key; }),
        observers.end());
  }
  /** A record's x and dout are filled in only for somebody who collects. */
  void show(CurvatureRecord& record, const Saved& x, const Tensor& dy,
            const BackwardPass& pass) const {
    const std::vector<Entry> listeners = observers;
    for (const Entry& entry : listeners) {
      CurvatureObserver& observer = *entry.second;
      if (!observer.collecting() || observer.purpose() != pass.purpose)
        continue;
      record.x = x.get();
      record.dout = dy;
      record.pass = pass.id;
      observer.record(record);
    }
  }
};

CurvatureSource::CurvatureSource() = default;
CurvatureSource::~CurvatureSource() = default;

CurvatureSource::State& CurvatureSource::state() {
  if (!state_) state_ = std::make_shared<State>();
  return *state_;
}

ObservationHandle CurvatureSource::observe(
    std::shared_ptr<CurvatureObserver> observer) {
  if (!observer) throw ValueError("[observe] expected an observer, got none");
  const std::uint64_t key = ++state().last;
  state_->observers.emplace_back(key, std::move(observer));
  return ObservationHandle([weak = std::weak_ptr<State>(state_), key] {
    if (const std::shared_ptr<State> state = weak.lock()) state->remove(key);
  });
}

void CurvatureSource::enable_factors(std::shared_ptr<FactorObserver> factors) {
  if (!factors) {
    factors = std::make_shared<KroneckerObserver>(
        Collect::Nothing, joint_bias() && curvature_bias().defined());
  }
  ObservationHandle handle = observe(factors);
  state_->own = std::move(handle);
  state_->factors = std::move(factors);
}

const std::shared_ptr<FactorObserver>& CurvatureSource::factors()
    const noexcept {
  static const std::shared_ptr<FactorObserver> none;
  return state_ ? state_->factors : none;
}

void CurvatureSource::collect(Collect what) {
  if (!factors())
    throw ValueError(
        "[collect] the layer is dormant; call enable_factors() first");
  factors()->collect(what);
}

const FactorObserver& CurvatureSource::collected(const char* call) const {
  if (factors()) return *factors();
  throw ValueError("[" + std::string(call) +
                   "] the layer is dormant; call enable_factors() and "
                   "collect(Collect::Factors), then loss.backward()");
}

namespace {

const char* what_is_missing(const FactorObserver& factors) {
  return factors.collects() == Collect::Factors
             ? "call loss.backward() first, on a batch that is not empty "
               "(zero_grad() clears the sums)"
             : "call collect(Collect::Factors) before loss.backward()";
}

}  // namespace

Tensor CurvatureSource::matrix_a() const {
  const FactorObserver& observer = collected("matrix_a");
  const FactorSums& sums = observer.sums();
  if (!sums.a.defined() || sums.positions_a == 0)
    throw ValueError(std::string("[matrix_a] S_A has no positions yet; ") +
                     what_is_missing(observer));
  const NoGrad no_grad;
  return sums.in_weight_order(curvature_weight()).matrix_a();
}

Tensor CurvatureSource::matrix_g() const {
  const FactorObserver& observer = collected("matrix_g");
  const FactorSums& sums = observer.sums();
  if (!sums.g.defined() || sums.positions_g == 0)
    throw ValueError(std::string("[matrix_g] S_G has no positions yet; ") +
                     what_is_missing(observer) + ", or save_gradient(dout)");
  const NoGrad no_grad;
  return sums.g * (1 / static_cast<double>(sums.positions_g));
}

Tensor CurvatureSource::save_gradient(const Tensor& dout) {
  if (!factors()) enable_factors();
  const Tensor weight = curvature_weight();
  const bool image = curvature_kind() == CurvatureKind::Conv2d;
  const std::int64_t length = curvature_kind() == CurvatureKind::Embedding
                                  ? weight.size(1)
                                  : weight.size(0);
  if (!dout.defined() || dout.rank() < 1 || (image && dout.rank() != 4) ||
      dout.size(image ? 1 : -1) != length || dout.dtype() != weight.dtype())
    throw ShapeError(
        "[save_gradient] expected dout of " + std::to_string(length) +
        (image ? " channels (N,C,H,W)" : " features on the last axis") +
        " and dtype " + name_of(weight.dtype()) + ", got " +
        (dout.defined() ? "shape " + dout.shape().str() : "no tensor"));
  CurvatureRecord record;
  record.kind = curvature_kind();
  record.geometry = curvature_geometry();
  record.dout = dout;
  factors()->add_gradient(record);
  return dout;
}

void CurvatureSource::clear_observations() const {
  if (!state_) return;
  const std::vector<State::Entry> observers = state_->observers;
  for (const State::Entry& entry : observers) entry.second->clear();
}

void CurvatureSource::watch(const Tensor& x, const Tensor& y,
                            const Conv2dGeometry& geometry,
                            std::int64_t samples) {
  if (!state_ || state_->observers.empty()) return;
  if (!y.requires_grad()) return;
  CurvatureRecord record;
  record.kind = curvature_kind();
  record.geometry = geometry;
  record.rows = curvature_weight().size(0);
  record.samples = samples >= 0 ? samples : x.size(0);
  on_backward(y, [state = state_, record, x = Saved(x.detach())](
                     const Tensor& dy, const BackwardPass& pass) mutable {
    state->show(record, x, dy, pass);
    record.x = Tensor();
    record.dout = Tensor();
  });
}

CurvatureSource& curvature(Module& layer) {
  auto* source = dynamic_cast<CurvatureSource*>(&layer);
  if (source != nullptr) return *source;
  throw ValueError(
      "[curvature] expected a layer with curvature (Conv2d, Dense, "
      "Embedding), got " +
      layer.describe());
}

}  // namespace mjolnir
