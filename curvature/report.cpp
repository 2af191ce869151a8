#include <mjolnir/curvature/report.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/linalg.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/curvature/kronecker.h>
#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/scale_shift.h>

#include "curvature/detail/batch.h"
#include "curvature/detail/kept_buffers.h"

namespace mjolnir {
namespace {

using Doubles = std::vector<double>;

/** The value below which that share of the sorted values lies. */
double quantile(const Doubles& sorted, double share) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(std::lround(share * last))];
}

Spectrum spectrum_of(Doubles values, double damping) {
  std::sort(values.begin(), values.end());
  Spectrum s;
  s.least = values.front();
  s.tenth = quantile(values, 0.1);
  s.median = quantile(values, 0.5);
  s.ninetieth = quantile(values, 0.9);
  s.most = values.back();
  double below = 0.0;
  for (const double v : values) {
    s.mean += v / static_cast<double>(values.size());
    below += v < damping ? 1.0 : 0.0;
  }
  s.condition = s.least > 0.0 ? s.most / s.least
                              : std::numeric_limits<double>::infinity();
  s.damping = damping;
  const double whole = s.mean + damping;
  s.damping_share = whole > 0.0 ? damping / whole : 0.0;
  s.drowned = below / static_cast<double>(values.size());
  return s;
}

/** Eigenvalues of a symmetric (n,n); a diagonal (n) is its own. NaNs where
 * there are none. */
Doubles eigenvalues(const Tensor& matrix) {
  if (matrix.rank() == 1) return matrix.to(DType::F64).to_vector<double>();
  const auto eigh = linalg::eigh(matrix.to(DType::F64));
  if (eigh) return eigh->values.to_vector<double>();
  return Doubles(static_cast<std::size_t>(matrix.size(0)), LayerReport::none);
}

double dot(const Doubles& x, const Doubles& y) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

double cosine(const Doubles& x, const Doubles& y) {
  const double norms = std::sqrt(dot(x, x)) * std::sqrt(dot(y, y));
  return norms > 0.0 ? dot(x, y) / norms : LayerReport::none;
}

/** One group's matrix of (g,n,n), or the matrix itself. */
Tensor of_group(const Tensor& x, const LayerCurvature& l) {
  if (l.groups == 1 || !x.defined()) return x;
  return reshape(slice(x, 0, l.group, l.group + 1), {x.size(1), x.size(2)});
}

/** (O/g, D): the group's rows of (O,...), with a joint bias as last column. */
Tensor as_matrix(const LayerTensors& g, const LayerCurvature& l) {
  const std::int64_t outputs = g.weight.size(0);
  const std::int64_t rows = outputs / l.groups;
  const auto part = [&](const Tensor& x) {
    const Tensor all =
        reshape(x.to(Layout::RowMajor).to(DType::F64), {outputs, -1});
    return slice(all, 0, l.group * rows, (l.group + 1) * rows);
  };
  if (!g.bias.defined()) return part(g.weight);
  return concat({part(g.weight), part(g.bias)}, 1);
}

/** G = N^2 S_G / P of a mean loss. */
Tensor matrix_g(const FactorSums& sums) {
  const auto samples = static_cast<double>(sums.samples);
  return sums.g * (samples * samples / static_cast<double>(sums.positions_g));
}

/** The direction of F^-1 g with the inverse in use; empty without one. */
Doubles step_of(const LayerCurvature& l, const CurvatureState& state,
                const Tensor& gradient) {
  if (l.preconditioner == Preconditioner::None) return {};
  if (l.preconditioner == Preconditioner::Scalar) {
    return gradient.to_vector<double>();
  }
  const Tensor a = of_group(state.inverse_a(l.name), l).to(DType::F64);
  const Tensor g = of_group(state.inverse_g(l.name), l).to(DType::F64);
  if (a.rank() == 1) {  // an embedding: A^-1 g G^-1
    return linalg::matmul(reshape(a, {-1, 1}) * gradient, g)
        .to_vector<double>();
  }
  return linalg::matmul(linalg::matmul(g, gradient), a).to_vector<double>();
}

/** The direction of (1/N J^T J + lambda I)^-1 g with the samples' gradients in
 * the rows of J (N,P), by way of the (N,N) matrix J J^T (Woodbury). */
Doubles exact_step(const Tensor& j, const Tensor& gradient, double lambda) {
  const Tensor g = reshape(gradient, {-1, 1});
  const auto inverse = linalg::cholesky_inverse(
      linalg::syrk(j), static_cast<double>(j.size(0)) * lambda);
  if (!inverse) return {};
  const Tensor inner = linalg::matmul(*inverse, linalg::matmul(j, g));
  return (g - linalg::matmul(j, inner, true)).to_vector<double>();
}

/** The layers of a model that the optimizer knows, seen in one pass. */
class Pass {
 public:
  struct Layer {
    CurvatureSource* source;
    std::shared_ptr<KroneckerObserver> sums;
    ObservationHandle handle;
    LayerTensors gradients;
  };

  /** A normalization layer. */
  struct Pair {
    ScaleShiftSource* source;
    std::shared_ptr<ScaleShiftObserver> sums;
    ObservationHandle handle;
    Tensor scale, shift;  ///< Their gradients.
  };

  Pass(Module& model, const std::vector<LayerCurvature>& known) {
    for (const auto& [name, module] : model.named_modules()) {
      const auto at = std::find_if(
          known.begin(), known.end(),
          [n = &name](const LayerCurvature& l) { return l.name == *n; });
      if (at == known.end()) continue;
      if (at->kind == BlockKind::ScaleShift) {
        watch(name, dynamic_cast<ScaleShiftSource*>(module));
      } else {
        watch(name, dynamic_cast<CurvatureSource*>(module), at->joint_bias);
      }
    }
  }

  void run(Module& model, const BatchLoss& loss, const Batch& batch) {
    const detail::KeptBuffers kept(model);
    const EnableGrad recording;
    const Tensor value = loss(model, batch);
    std::vector<Tensor> parameters;
    for (const auto& [name, l] : layers_) {
      parameters.push_back(l.source->curvature_weight());
      if (l.sums->joint_bias())
        parameters.push_back(l.source->curvature_bias());
    }
    for (const auto& [name, p] : pairs_) {
      parameters.push_back(p.source->curvature_scale());
      parameters.push_back(p.source->curvature_shift());
    }
    GradOptions options;
    options.retain_graph = true;
    options.allow_unused = true;
    const std::vector<Tensor> gradients = grad({value}, parameters, options);
    std::size_t next = 0;
    for (auto& [name, l] : layers_) {
      l.gradients.weight = gradients[next++];
      if (l.sums->joint_bias()) l.gradients.bias = gradients[next++];
    }
    for (auto& [name, p] : pairs_) {
      p.scale = gradients[next++];
      p.shift = gradients[next++];
    }
    BackwardOptions pass;
    pass.curvature_only = true;
    value.backward(pass);
  }

  /** Null if the model has no such layer. */
  const Layer* find(const std::string& name) const {
    const auto at = layers_.find(name);
    return at == layers_.end() ? nullptr : &at->second;
  }
  const Pair* find_pair(const std::string& name) const {
    const auto at = pairs_.find(name);
    return at == pairs_.end() ? nullptr : &at->second;
  }

 private:
  void watch(const std::string& name, CurvatureSource* source,
             bool joint_bias) {
    if (source == nullptr) return;
    auto sums = std::make_shared<KroneckerObserver>(
        Collect::Factors, joint_bias, Purpose::Curvature);
    ObservationHandle handle = source->observe(sums);
    layers_.emplace(name,
                    Layer{source, sums, std::move(handle), LayerTensors()});
  }
  void watch(const std::string& name, ScaleShiftSource* source) {
    if (source == nullptr) return;
    auto sums = std::make_shared<ScaleShiftObserver>(Purpose::Curvature);
    ObservationHandle handle = source->observe(sums);
    pairs_.emplace(name,
                   Pair{source, sums, std::move(handle), Tensor(), Tensor()});
  }

  std::map<std::string, Pair> pairs_;
  std::map<std::string, Layer> layers_;
};

/** The gradients of each sample, for layers small enough to be compared. */
class Samples {
 public:
  Samples(Module& model, const BatchLoss& loss, const Batch& batch) {
    for (const auto& [name, gradients] :
         per_sample_gradients(model, loss, batch)) {
      by_name_.emplace(name, gradients);
    }
  }
  /** (N, O/g D) of one layer and group; undefined if its weight is frozen. */
  Tensor rows(const LayerCurvature& l) const {
    const std::string prefix = l.name.empty() ? "" : l.name + ".";
    const auto weight = by_name_.find(prefix + "weight");
    const auto bias = by_name_.find(prefix + "bias");
    if (weight == by_name_.end()) return Tensor();
    std::vector<Tensor> rows;
    for (std::int64_t n = 0; n < weight->second.size(0); ++n) {
      LayerTensors one{sample(weight->second, n), Tensor()};
      if (l.joint_bias && bias != by_name_.end()) {
        one.bias = sample(bias->second, n);
      }
      rows.push_back(reshape(as_matrix(one, l), {1, -1}));
    }
    return concat(rows, 0);
  }

 private:
  static Tensor sample(const Tensor& x, std::int64_t n) {
    std::vector<std::int64_t> shape;
    for (std::int64_t i = 1; i < static_cast<std::int64_t>(x.rank()); ++i) {
      shape.push_back(x.size(i));
    }
    return reshape(slice(x, 0, n, n + 1), shape);
  }
  std::map<std::string, Tensor> by_name_;
};

/** Eigenvalues of each unit's 2x2 matrix, N S of a mean loss. */
Doubles eigenvalues(const ScaleShiftSums& sums) {
  const auto n = static_cast<double>(sums.samples);
  Doubles all;
  for (std::int64_t i = 0; i < sums.scale_scale.numel(); ++i) {
    const double a = n * sums.scale_scale.data<double>()[i];
    const double b = n * sums.shift_shift.data<double>()[i];
    const double c = n * sums.scale_shift.data<double>()[i];
    const double radius = std::hypot((a - b) / 2.0, c);
    all.push_back((a + b) / 2.0 - radius);
    all.push_back((a + b) / 2.0 + radius);
  }
  return all;
}

/** The spectrum of what is not there. */
Spectrum no_spectrum() {
  Spectrum s;
  for (double* value :
       {&s.least, &s.tenth, &s.median, &s.ninetieth, &s.most, &s.mean,
        &s.condition, &s.damping, &s.damping_share, &s.drowned}) {
    *value = LayerReport::none;
  }
  return s;
}

LayerReport report_of(const LayerCurvature& l, const Pass::Pair& seen,
                      const CurvatureState& state) {
  LayerReport row;
  row.name = l.name;
  row.kind = l.kind;
  row.age = l.age;
  row.a = no_spectrum();
  const ScaleShiftSums sums = seen.sums->sums();
  if (sums.samples == 0 || !seen.scale.defined() || !seen.shift.defined()) {
    row.g = no_spectrum();
    return row;
  }
  row.positions = 1.0;
  row.g = spectrum_of(eigenvalues(sums), l.damping.g);
  if (l.preconditioner != Preconditioner::Inverse) return row;
  const Tensor inverse = state.inverse_scale_shift(l.name);
  const Doubles scale = seen.scale.to(DType::F64).to_vector<double>();
  const Doubles shift = seen.shift.to(DType::F64).to_vector<double>();
  Doubles gradient, step;
  for (std::size_t i = 0; i < scale.size(); ++i) {
    const double* m = inverse.data<double>() + 4 * i;
    gradient.insert(gradient.end(), {scale[i], shift[i]});
    step.push_back(m[0] * scale[i] + m[1] * shift[i]);
    step.push_back(m[2] * scale[i] + m[3] * shift[i]);
  }
  row.cosine_to_gradient = cosine(step, gradient);
  return row;
}

LayerReport report_of(const LayerCurvature& l, const Pass::Layer& seen,
                      const CurvatureState& state, const Samples* samples) {
  LayerReport row;
  row.name = l.name;
  row.group = l.group;
  row.groups = l.groups;
  row.age = l.age;
  const FactorSums sums = seen.sums->sums().group(l.group);
  if (sums.positions_a == 0 || !seen.gradients.weight.defined()) return row;
  row.positions = sums.positions_per_sample;
  row.a = spectrum_of(eigenvalues(sums.matrix_a()), l.damping.a);
  row.g = spectrum_of(eigenvalues(matrix_g(sums)), l.damping.g);
  const Tensor gradient = as_matrix(seen.gradients, l);
  const Doubles step = step_of(l, state, gradient);
  if (step.empty()) return row;
  row.cosine_to_gradient = cosine(step, gradient.to_vector<double>());
  const Tensor rows = samples == nullptr ? Tensor() : samples->rows(l);
  if (!rows.defined()) return row;
  const Doubles exact = exact_step(rows, gradient, state.damping());
  if (!exact.empty()) row.cosine_to_exact = cosine(step, exact);
  return row;
}

}  // namespace

CurvatureReport curvature_report(Module& model, const BatchLoss& loss,
                                 const Batch& batch,
                                 const CurvatureState& state,
                                 const ReportOptions& options) {
  check_batch("curvature_report", batch);
  const std::vector<LayerCurvature> known = state.curvature();
  Pass pass(model, known);
  pass.run(model, loss, batch);
  CurvatureReport report;
  report.damping = state.damping();
  const auto is_small = [&](const LayerCurvature& l) {
    return l.kind == BlockKind::Kronecker &&
           l.rows * l.columns <= options.exact_up_to;
  };
  std::unique_ptr<Samples> samples;
  if (report.damping > 0.0 &&
      std::any_of(known.begin(), known.end(), is_small)) {
    samples = std::make_unique<Samples>(model, loss, batch);
  }
  const NoGrad no_grad;
  for (const LayerCurvature& l : known) {
    const Pass::Pair* pair = pass.find_pair(l.name);
    if (pair != nullptr) report.layers.push_back(report_of(l, *pair, state));
    const Pass::Layer* seen = pass.find(l.name);
    if (seen == nullptr) continue;
    report.layers.push_back(
        report_of(l, *seen, state, is_small(l) ? samples.get() : nullptr));
  }
  return report;
}

}  // namespace mjolnir
