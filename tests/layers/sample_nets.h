#pragma once

#include <mjolnir/core/ops.h>
#include <mjolnir/layers/conv2d.h>
#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/embedding.h>
#include <mjolnir/layers/functional.h>

#include "tests/layers/support.h"

namespace mjolnir::testing {

inline DenseOptions dense_of(std::int64_t in, std::int64_t out, DType dtype) {
  DenseOptions options;
  options.in = in;
  options.out = out;
  options.dtype = dtype;
  return options;
}

/** Two convolutions, everything about the first uneven, and a dense layer. */
struct ConvNet : Module {
  explicit ConvNet(Generator& rng, DType dtype = DType::F64,
                   std::int64_t groups = 1)
      : conv(conv_options(dtype, groups), rng),
        pointwise(pointwise_options(dtype), rng),
        fc(dense_of(4 * 3 * 7, 3, dtype), rng) {
    add("conv", conv);
    add("pointwise", pointwise);
    add("fc", fc);
  }
  Tensor operator()(const Tensor& x) override {  // (N,2,5,8)
    return fc(flatten(pointwise(tanh(conv(x)))));
  }
  static Conv2dOptions conv_options(DType dtype, std::int64_t groups) {
    Conv2dOptions options;
    options.in = 2;
    options.out = 6;
    options.kernel = Pair(3, 2);
    options.stride = Pair(2, 1);
    options.padding = Padding(2, 1, 0, 1);
    options.dilation = Pair(1, 2);
    options.groups = groups;
    options.dtype = dtype;
    return options;
  }
  static Conv2dOptions pointwise_options(DType dtype) {
    Conv2dOptions options;
    options.in = 6;
    options.out = 4;
    options.kernel = 1;
    options.dtype = dtype;
    return options;
  }
  Conv2d conv, pointwise;
  Dense fc;
};

inline Batch conv_batch(std::int64_t n, Generator& rng) {
  Batch batch;
  batch.images = random_f64({n, 2, 5, 8}, rng);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < n; ++i) labels.push_back(i * i % 3);
  batch.labels = Tensor::from(labels, {n});
  return batch;
}

/** dense - tanh - dense, on the last axis. */
struct TokenNet : Module {
  TokenNet(Generator& rng, bool positions_are_samples)
      : first(options(5, 4, positions_are_samples), rng),
        second(options(4, 2, positions_are_samples), rng) {
    add("first", first);
    add("second", second);
  }
  Tensor operator()(const Tensor& x) override { return second(tanh(first(x))); }
  static DenseOptions options(std::int64_t in, std::int64_t out, bool tokens) {
    DenseOptions options = dense_of(in, out, DType::F64);
    options.positions_are_samples = tokens;
    return options;
  }
  Dense first, second;
};

/** The sum of the samples' losses: dout is each one's own gradient. */
inline Tensor class_loss(Module& model, const Batch& batch) {
  CrossEntropyOptions options;
  options.reduction = Reduction::Sum;
  return cross_entropy(model(batch.images), batch.labels, options);
}
inline Tensor square_loss(Module& model, const Batch& batch) {
  const Tensor y = model(batch.images);
  return sum(y * y * y);
}

/** Row n: sample n's gradient of the parameter, in logical order. */
inline std::vector<std::vector<double>> sample_rows(Module& model,
                                                    const BatchLoss& loss,
                                                    const Batch& batch,
                                                    const std::string& name) {
  for (const auto& [found, gradients] :
       per_sample_gradients(model, loss, batch)) {
    if (found != name) continue;
    const std::vector<double> all = values_of(gradients);
    const auto length = std::ptrdiff_t(all.size()) / gradients.size(0);
    std::vector<std::vector<double>> rows;
    for (auto at = all.begin(); at != all.end(); at += length)
      rows.emplace_back(at, at + length);
    return rows;
  }
  return {};
}

}  // namespace mjolnir::testing
