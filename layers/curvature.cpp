#include <utility>

#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/module.h>

namespace mjolnir {

CurvatureSource::CurvatureSource() = default;
CurvatureSource::~CurvatureSource() = default;

ObservationHandle CurvatureSource::observe(
    std::shared_ptr<CurvatureObserver> observer) {
  return attach(std::move(observer));
}

void CurvatureSource::enable_factors(std::shared_ptr<FactorObserver> factors) {
  if (!factors) {
    factors = std::make_shared<KroneckerObserver>(
        Collect::Nothing, joint_bias() && curvature_bias().defined());
  }
  attach_own(factors);
  factors_ = std::move(factors);
}

const std::shared_ptr<FactorObserver>& CurvatureSource::factors()
    const noexcept {
  return factors_;
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

void CurvatureSource::watch(const Tensor& x, const Tensor& y,
                            const Conv2dGeometry& geometry,
                            std::int64_t samples) {
  if (!is_observed() || !y.requires_grad()) return;
  CurvatureRecord record;
  record.kind = curvature_kind();
  record.geometry = geometry;
  record.rows = curvature_weight().size(0);
  record.samples = samples >= 0 ? samples : x.size(0);
  tap(y,
      [record, x = Saved(x.detach())](LayerObserver& observer, const Tensor& dy,
                                      const BackwardPass& pass) {
        CurvatureRecord shown = record;
        shown.x = x.get();
        shown.dout = dy;
        shown.pass = pass.id;
        static_cast<CurvatureObserver&>(observer).record(shown);
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
