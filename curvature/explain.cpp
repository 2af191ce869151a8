#include <mjolnir/curvature/explain.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/curvature/block_inverse.h>
#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/scale_shift.h>

#include "curvature/detail/kept_buffers.h"

namespace mjolnir {
namespace {

/** Remembers the shapes of a layer's uses. */
class Probe final : public CurvatureObserver {
 public:
  struct Use {
    CurvatureKind kind;
    Shape x, dout;
    Conv2dGeometry geometry;
    std::int64_t samples;
    DType dtype;
  };
  void record(const CurvatureRecord& r) override {
    uses.push_back({r.kind, r.x.shape(), r.dout.shape(), r.geometry, r.samples,
                    r.dout.dtype()});
  }
  Purpose purpose() const override { return Purpose::Curvature; }
  void clear() override {}

  std::vector<Use> uses;
};

std::string type_of(const Module& module) {
  const std::string text = module.describe();
  return text.substr(0, text.find('('));
}

double number(std::int64_t n) { return static_cast<double>(n); }

/** Floating operations of S_A of one use, all groups. */
double work_of_a(const Probe::Use& use, CovarianceAlgorithm algorithm) {
  if (use.kind == CurvatureKind::Embedding) return number(use.x.numel());
  if (use.kind == CurvatureKind::Dense) {
    const std::int64_t d = use.x[use.x.rank() - 1];
    return number(use.x.numel()) * number(d + 1);
  }
  const Conv2dGeometry& w = use.geometry;
  const double c = number(use.x[1] / w.groups);
  const double cells = number(w.kernel_h * w.kernel_w);
  const double groups = number(w.groups);
  const double out_h = number(w.out_h(use.x[2]));
  const double positions = number(use.x[0]) * out_h * number(w.out_w(use.x[3]));
  if (algorithm == CovarianceAlgorithm::Shifts) {
    const double displacements =
        (number(2 * w.kernel_h - 1) * number(2 * w.kernel_w - 1) + 1) / 2;
    return 2 * groups * displacements * c * c * number(use.x[0]) *
           number(use.x[2] * use.x[3]);
  }
  if (algorithm == CovarianceAlgorithm::Rows && w.stride_h == 1) {
    const double row = number(w.kernel_w) * c;
    return 2 * groups * number(w.kernel_h) * positions * row * row;
  }
  return groups * positions * cells * c * (cells * c + 1);
}

/** Forward and backward of one use. */
double work_of_layer(const Probe::Use& use, const Tensor& weight) {
  if (use.kind == CurvatureKind::Embedding) return 2 * number(use.dout.numel());
  // Three products of one size: y, dx, dw.
  const double columns = number(weight.numel() / weight.size(0));
  return 3 * 2 * number(use.dout.numel()) * columns;
}

double cubes(std::int64_t n, std::int64_t split) {
  double sum = 0;
  for (const FactorBlock& b : cut_blocks(n, split)) {
    sum += number(b.size * b.size) * number(b.size);
  }
  return sum;
}

double squares(std::int64_t n, std::int64_t split) {
  double sum = 0;
  for (const FactorBlock& b : cut_blocks(n, split)) {
    sum += number(b.size * b.size);
  }
  return sum;
}

void add_use(const Probe::Use& use, ExplainedLayer& l) {
  const bool image = use.kind == CurvatureKind::Conv2d;
  l.samples = std::max(l.samples, use.samples);
  const std::int64_t length =
      image ? use.dout[1] : use.dout[use.dout.rank() - 1];
  l.positions += use.dout.numel() / length;
  if (image) {
    l.algorithm = covariance_algorithm(use.x, use.geometry, use.dtype);
    l.scratch =
        std::max(l.scratch, covariance_scratch(use.x, use.geometry, use.dtype));
  }
  l.look += 2 * number(use.x.numel() + use.dout.numel());
  l.factors += work_of_a(use, l.algorithm) +
               number(use.dout.numel()) * number(l.size_g + 1);
}

ExplainedLayer explained(const std::string& name, const Module& module,
                         const CurvatureSource& source, const Probe& probe,
                         const ExplainOptions& options) {
  const Tensor weight = source.curvature_weight();
  ExplainedLayer l;
  l.name = name;
  l.type = type_of(module);
  l.kind = source.curvature_kind();
  l.groups = source.curvature_geometry().groups;
  l.diagonal_a = source.curvature_kind() == CurvatureKind::Embedding;
  l.joint_bias = (options.joint_bias || source.joint_bias()) &&
                 source.curvature_bias().defined();
  if (l.diagonal_a) {
    l.size_a = weight.size(0);
    l.size_g = weight.size(1);
  } else {
    l.size_g = weight.size(0) / l.groups;
    l.size_a = weight.numel() / weight.size(0) + (l.joint_bias ? 1 : 0);
  }
  const std::int64_t split = options.split_dim;
  const auto blocks = [split](std::int64_t n) {
    return static_cast<std::int64_t>(cut_blocks(n, split).size());
  };
  l.blocks_a = l.diagonal_a ? l.size_a : blocks(l.size_a);
  l.blocks_g = blocks(l.size_g);
  for (const Probe::Use& use : probe.uses) {
    add_use(use, l);
    l.step += work_of_layer(use, weight);
  }
  const double groups = number(l.groups);
  const double a = number(l.size_a), g = number(l.size_g);
  const double inverse_a = l.diagonal_a ? a : squares(l.size_a, split);
  const double inverse_g = squares(l.size_g, split);
  l.inverses = groups * ((l.diagonal_a ? a : cubes(l.size_a, split)) +
                         cubes(l.size_g, split));
  l.update =
      2 * groups *
      (l.diagonal_a ? a * g + inverse_g * a : inverse_a * g + inverse_g * a);
  const double sums = (l.diagonal_a ? a : a * a) + g * g;
  l.bytes =
      static_cast<std::int64_t>(groups * (sums + 2 * (inverse_a + inverse_g))) *
      static_cast<std::int64_t>(size_of(weight.dtype()));
  return l;
}

/** A layer of some kind, and who watches it. */
template <class Source, class Observer>
struct Watched {
  std::string name;
  const Module* module;
  Source* source;
  std::shared_ptr<Observer> observer;
  ObservationHandle handle;
};

/** All layers of that kind, each with an observer made of `arguments`. */
template <class Source, class Observer, class... Arguments>
std::vector<Watched<Source, Observer>> watch(Module& model,
                                             const Arguments&... arguments) {
  std::vector<Watched<Source, Observer>> watched;
  for (const auto& [name, module] : model.named_modules()) {
    auto* source = dynamic_cast<Source*>(module);
    if (source == nullptr) continue;
    auto observer = std::make_shared<Observer>(arguments...);
    ObservationHandle handle = source->observe(observer);
    watched.push_back({name, module, source, observer, std::move(handle)});
  }
  return watched;
}

using WatchedPair = Watched<ScaleShiftSource, ScaleShiftObserver>;

/** Gives the parameters of normalization layers their reasons, empty for those
 * with blocks. */
void explain_pairs(const std::vector<WatchedPair>& pairs, bool scale_shift,
                   std::map<const void*, std::string>& reasons,
                   Explanation& result) {
  for (const WatchedPair& w : pairs) {
    const Tensor scale = w.source->curvature_scale();
    const Tensor shift = w.source->curvature_shift();
    std::string why;
    if (!scale_shift) {
      why = type_of(*w.module) + " has no Kronecker factors; see scale_shift";
    } else if (!scale.requires_grad() || !shift.requires_grad()) {
      why = "its layer's scale or shift is frozen";
    } else {
      ExplainedScaleShift pair;
      pair.name = w.name;
      pair.type = type_of(*w.module);
      pair.units = scale.numel();
      pair.samples = w.observer->samples();
      // The samples' gradients and their moments; F and its inverse.
      pair.bytes = (2 * pair.samples + 3 + 6) * pair.units *
                   static_cast<std::int64_t>(sizeof(double));
      result.scale_shifts.push_back(pair);
    }
    reasons.emplace(scale.impl().get(), why);
    reasons.emplace(shift.impl().get(), why);
  }
}

/** Sorts every parameter that no explained layer covers by its reason. */
void note_first_order(
    const Module& model,
    const std::vector<std::pair<std::string, const Module*>>& modules,
    const std::map<const void*, std::string>& reasons, Explanation& result) {
  for (const auto& [name, tensor] : model.named_parameters()) {
    const auto reason = reasons.find(tensor.impl().get());
    std::string why;
    if (reason != reasons.end()) {
      why = reason->second;
      if (why.empty()) continue;  // preconditioned
    } else {
      const std::size_t dot = name.rfind('.');
      const std::string owner =
          dot == std::string::npos ? "" : name.substr(0, dot);
      const auto at =
          std::find_if(modules.begin(), modules.end(),
                       [&](const auto& m) { return m.first == owner; });
      why = (at == modules.end() ? "this layer" : type_of(*at->second)) +
            " has no Kronecker factors";
    }
    result.first_order.push_back({name, tensor.shape(), why});
  }
}

}  // namespace

Explanation explain(Module& model, const Tensor& example,
                    const ExplainOptions& options) {
  const auto watched = watch<CurvatureSource, Probe>(model);
  const auto pairs =
      watch<ScaleShiftSource, ScaleShiftObserver>(model, Purpose::Curvature);
  {
    const detail::KeptBuffers kept(model);
    BackwardOptions pass;
    pass.curvature_only = true;
    sum(model(example)).backward(pass);
  }
  Explanation result;
  std::map<const void*, std::string> reasons;  // empty: preconditioned
  for (const auto& w : watched) {
    const Tensor weight = w.source->curvature_weight();
    const Tensor bias = w.source->curvature_bias();
    const ExplainedLayer layer =
        explained(w.name, *w.module, *w.source, *w.observer, options);
    result.step += layer.step;
    const bool fresh = reasons.count(weight.impl().get()) == 0;
    std::string& why = reasons[weight.impl().get()];
    if (w.source->factors() == nullptr) {
      if (fresh) why = "its layer is dormant; models::to_thor(model) wakes it";
    } else if (!weight.requires_grad()) {
      why = "it is frozen";
    } else if (fresh || !why.empty()) {
      why.clear();
      result.layers.push_back(layer);
    }
    if (bias.defined()) {
      reasons[bias.impl().get()] =
          layer.joint_bias && why.empty()
              ? ""
              : "a bias; with joint_bias it joins its layer's block";
    }
  }
  explain_pairs(pairs, options.scale_shift, reasons, result);
  std::vector<std::pair<std::string, const Module*>> modules;
  for (const auto& [name, module] : model.named_modules()) {
    modules.emplace_back(name, module);
  }
  note_first_order(model, modules, reasons, result);
  return result;
}

Explanation explain(Module& model, const Shape& input_shape,
                    const ExplainOptions& options) {
  const std::vector<Tensor> parameters = model.parameters();
  if (parameters.empty()) {
    throw ValueError("[explain] expected a model with parameters, got " +
                     model.describe());
  }
  return explain(model, Tensor::zeros(input_shape, {parameters[0].dtype()}),
                 options);
}

}  // namespace mjolnir
