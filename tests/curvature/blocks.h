#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <mjolnir/curvature/kronecker.h>

namespace mjolnir {

/** A layer that is only its weight. */
struct Weight : CurvatureSource {
  explicit Weight(Tensor w, bool embedding = false)
      : weight(std::move(w)), embedding(embedding) {}
  CurvatureKind curvature_kind() const override {
    if (embedding) return CurvatureKind::Embedding;
    return weight.rank() == 4 ? CurvatureKind::Conv2d : CurvatureKind::Dense;
  }
  Tensor curvature_weight() const override { return weight; }
  Tensor weight;
  bool embedding;
};

inline std::vector<double> doubles(const Tensor& x) {
  return x.to(DType::F64).to_vector<double>();
}

inline Tensor diagonal(const std::vector<double>& entries,
                       DType dtype = DType::F64) {
  const auto n = static_cast<std::int64_t>(entries.size());
  std::vector<double> numbers(entries.size() * entries.size(), 0.0);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    numbers[i * entries.size() + i] = entries[i];
  }
  return Tensor::from<double>(numbers, {n, n}).to(dtype);
}

/** Sums of `positions` outer products whose means are a and g. */
inline FactorSums sums_of(const Tensor& a, const Tensor& g,
                          std::int64_t samples, std::int64_t positions) {
  const auto times = [](const Tensor& x, std::int64_t count) {
    std::vector<double> numbers = doubles(x);
    for (double& v : numbers) v *= static_cast<double>(count);
    return Tensor::from<double>(numbers, x.shape()).to(x.dtype());
  };
  FactorSums sums;
  sums.a = times(a, positions);
  sums.g = times(g, positions);
  sums.positions_a = sums.positions_g = positions;
  sums.traces_a = sums.traces_g = {1.0};  // not looked at
  sums.samples = samples;
  sums.positions_per_sample =
      static_cast<double>(positions) / static_cast<double>(samples);
  return sums;
}

inline void refresh_one(KroneckerBlock& block, const FactorSums& sums,
                        double damping, long step,
                        double gradient_scale = 1.0) {
  block.take(sums, gradient_scale, damping, step);
  refresh({&block}, step);
}

}  // namespace mjolnir
