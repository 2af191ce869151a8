// What a KroneckerPreconditioner tells of its blocks, and lets be set.
#include <utility>

#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/curvature/preconditioner.h>

namespace mjolnir {

std::vector<LayerCurvature> KroneckerPreconditioner::curvature() const {
  std::vector<LayerCurvature> all;
  for (const Layer& l : layers_) {
    for (const KroneckerBlock& b : l.blocks) {
      all.push_back(b.state());
      const long refreshed = all.back().last_refresh;
      all.back().age = refreshed < 0 ? -1 : step_ - refreshed;
      all.back().cosine = l.cosine;
      all.back().looks = l.looks;
      all.back().decision = l.decision;
      all.back().last_look = l.last_look;
    }
  }
  for (LayerCurvature& pair : scale_shifts_.curvature(step_)) {
    all.push_back(std::move(pair));
  }
  return all;
}

std::size_t KroneckerPreconditioner::find(const std::string& layer) const {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (layers_[i].blocks.front().name() == layer) return i;
  }
  throw ValueError("[" + options_.name + "] no layer named " + layer +
                   " has factors");
}

namespace {

/** One matrix, or one per group: (n,n) or (g,n,n). */
template <class MatrixOf>
Tensor stacked(const std::vector<KroneckerBlock>& blocks, MatrixOf matrix_of) {
  const NoGrad no_grad;
  std::vector<Tensor> all;
  for (const KroneckerBlock& b : blocks) {
    all.push_back(matrix_of(b));
    if (!all.back().defined()) return Tensor();
  }
  return all.size() == 1 ? all.front() : stack(all, 0);
}

/** The matrix of one group of (n,n) or (g,n,n). */
Tensor matrix_of_group(const Tensor& x, std::size_t group, std::size_t groups) {
  if (groups == 1 || !x.defined() || x.rank() != 3) return x;
  if (x.size(0) != static_cast<std::int64_t>(groups)) return x;
  const auto at = static_cast<std::int64_t>(group);
  return reshape(slice(x, 0, at, at + 1), {x.size(1), x.size(2)});
}

}  // namespace

Tensor KroneckerPreconditioner::inverse_a(const std::string& layer) const {
  return stacked(layers_[find(layer)].blocks,
                 [](const KroneckerBlock& b) { return b.inverse_a(); });
}

Tensor KroneckerPreconditioner::inverse_g(const std::string& layer) const {
  return stacked(layers_[find(layer)].blocks,
                 [](const KroneckerBlock& b) { return b.inverse_g(); });
}

void KroneckerPreconditioner::set_inverses(const std::string& layer,
                                           const Tensor& a, const Tensor& g,
                                           double positions) {
  const NoGrad no_grad;
  Layer& l = layers_[find(layer)];
  for (std::size_t i = 0; i < l.blocks.size(); ++i) {
    l.blocks[i].set_inverses(matrix_of_group(a, i, l.blocks.size()),
                             matrix_of_group(g, i, l.blocks.size()), positions,
                             step_);
  }
  l.due = l.look = false;
  l.observer->collect(Collect::Nothing);
}

long KroneckerPreconditioner::refreshes() const noexcept {
  long sum = 0;
  for (const Layer& l : layers_) {
    for (const KroneckerBlock& b : l.blocks) sum += b.state().refreshes;
  }
  return sum;
}

}  // namespace mjolnir
