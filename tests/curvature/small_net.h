#pragma once

#include <functional>
#include <vector>

#include <mjolnir/core/ops.h>
#include <mjolnir/curvature/fisher.h>
#include <mjolnir/layers/conv2d.h>
#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/module.h>

#include "tests/layers/support.h"

namespace mjolnir::testing {

/** conv (2 channels to 3, 2x3 window) - tanh - dense (to `outputs`), f64. */
struct SmallNet : Module {
  explicit SmallNet(Generator& rng, std::int64_t outputs = 3)
      : conv(conv_options(), rng), fc(dense_options(outputs), rng) {
    add("conv", conv);
    add("fc", fc);
  }
  Tensor operator()(const Tensor& x) override {
    return fc(flatten(tanh(conv(x))));
  }

  static Conv2dOptions conv_options() {
    Conv2dOptions options;
    options.in = 2;
    options.out = 3;
    options.kernel = {2, 3};
    options.dtype = DType::F64;
    return options;
  }
  static DenseOptions dense_options(std::int64_t outputs) {
    DenseOptions options;
    options.in = 3 * 2 * 2;  // from images of 3x4
    options.out = outputs;
    options.dtype = DType::F64;
    return options;
  }

  Conv2d conv;
  Dense fc;
};

/** Five images (2,3,4) and targets that suit the likelihood. */
inline Batch small_batch(Likelihood likelihood, Generator& rng) {
  Batch batch;
  batch.images = random_f64({5, 2, 3, 4}, rng, Layout::ChannelsLast);
  switch (likelihood) {
    case Likelihood::Categorical:
      batch.labels =
          Tensor::from(std::vector<std::int64_t>{0, 2, 1, 1, 2}, {5});
      break;
    case Likelihood::Bernoulli:
      batch.labels = uniform({5, 3}, 0.0, 1.0, rng, {DType::F64});
      break;
    case Likelihood::Gaussian:
      batch.labels = random_f64({5, 3}, rng);
      break;
  }
  return batch;
}

/** Rows of central differences of f (a vector of parameters): the Jacobian,
 * transposed, as vectors by parameter element. */
inline std::vector<std::vector<double>> differences(
    const ParameterVector& parameters,
    const std::function<std::vector<double>()>& f) {
  constexpr double h = 6e-6;  // cube root of the rounding error
  std::vector<std::vector<double>> rows;
  for (const Tensor& p : parameters) {
    for (std::int64_t i = 0; i < p.numel(); ++i) {
      // Elements in logical order, whatever the layout.
      const auto moved = [&](double by) {
        std::vector<double> values = p.to_vector<double>();
        values[static_cast<std::size_t>(i)] += by;
        const Tensor before = p.clone();
        p.copy_from(Tensor::from(values, p.shape()));
        std::vector<double> result = f();
        p.copy_from(before);
        return result;
      };
      const std::vector<double> up = moved(h);
      const std::vector<double> down = moved(-h);
      rows.emplace_back();
      for (std::size_t k = 0; k < up.size(); ++k) {
        rows.back().push_back((up[k] - down[k]) / (2.0 * h));
      }
    }
  }
  return rows;
}

/** A random direction, one tensor per parameter. */
inline ParameterVector random_direction(const ParameterVector& parameters,
                                        Generator& rng) {
  ParameterVector v;
  for (const Tensor& p : parameters) {
    v.push_back(random_f64(p.shape(), rng, p.layout()));
  }
  return v;
}

}  // namespace mjolnir::testing
