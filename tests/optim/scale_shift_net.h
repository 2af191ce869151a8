#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/layer_norm.h>
#include <mjolnir/optim/thor.h>

/** Nets with normalization layers, and steps of theirs with scale_shift. */
namespace mjolnir::optim::scale_shift_tests {

using Doubles = std::vector<double>;

inline const TensorOptions f64{DType::F64, Layout::RowMajor};

/** |x - y| / |y| */
inline double relative_error(const Doubles& x, const Doubles& y) {
  double difference = 0.0, size = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    difference += (x[i] - y[i]) * (x[i] - y[i]);
    size += y[i] * y[i];
  }
  return std::sqrt(difference / size);
}

inline LayerNormOptions shape_of(std::int64_t size) {
  LayerNormOptions options;
  options.shape = {size};
  options.dtype = DType::F64;
  return options;
}

/** LayerNorm alone, (N,4) to logits. */
struct NormNet : Module {
  NormNet() : norm(shape_of(4)) {
    add("norm", norm);
    Generator rng(3);
    norm.weight.copy_from(normal({4}, 1, 0.3, rng, f64));
    norm.bias.copy_from(normal({4}, 0, 0.3, rng, f64));
  }
  Tensor operator()(const Tensor& x) override { return norm(x); }
  LayerNorm norm;
};

/** conv - BatchNorm - pool - LayerNorm - dense, channels 5. */
struct MixedNet : Module {
  explicit MixedNet(Generator& rng)
      : conv(conv_options(), rng),
        bn(bn_options()),
        ln(shape_of(5)),
        fc(fc_options(), rng) {
    add("conv", conv);
    add("bn", bn);
    add("ln", ln);
    add("fc", fc);
  }
  Tensor operator()(const Tensor& x) override {
    return fc(ln(global_avg_pool(tanh(bn(conv(x))))));
  }
  static Conv2dThorOptions conv_options() {
    Conv2dThorOptions options;
    options.in_channels = 2;
    options.out_channels = 5;
    options.kernel_size = {3, 2};
    options.weight_init = "he_normal";
    options.dtype = DType::F64;
    return options;
  }
  static BatchNorm2dOptions bn_options() {
    BatchNorm2dOptions options;
    options.channels = 5;
    options.dtype = DType::F64;
    return options;
  }
  static DenseThorOptions fc_options() {
    DenseThorOptions options;
    options.in_channels = 5;
    options.out_channels = 3;
    options.weight_init = "he_normal";
    options.dtype = DType::F64;
    return options;
  }
  Conv2dThor conv;
  BatchNorm2d bn;
  LayerNorm ln;
  DenseThor fc;
};

inline std::unique_ptr<MixedNet> make_mixed() {
  Generator rng(11);
  return std::make_unique<MixedNet>(rng);
}

struct Data {
  Tensor x, y;
};

inline Data mixed_data(std::uint64_t seed, std::int64_t n = 6) {
  Generator rng(seed);
  Data data;
  data.x = normal({n, 2, 5, 4}, 0, 1, rng, f64);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < n; ++i) labels.push_back(i * i % 3);
  data.y = Tensor::from<std::int64_t>(labels, {n});
  return data;
}

inline Data norm_data(std::uint64_t seed, std::int64_t n = 6) {
  Data data = mixed_data(seed, n);
  Generator rng(seed);
  data.x = normal({n, 4}, 0, 1, rng, f64);
  return data;
}

inline ThorOptions plain_options(double lambda = 0.01) {
  ThorOptions options;
  options.learning_rate = 1.0;
  options.damping = lambda;
  options.momentum = 0.0;
  options.weight_decay = 0.0;
  options.scale_shift = true;
  return options;
}

inline Doubles values_of(const Module& module) {
  Doubles all;
  for (const Tensor& p : module.parameters()) {
    for (const double v : p.to_vector<double>()) all.push_back(v);
  }
  return all;
}

/** What one step takes from the parameters; `loss` runs the backward passes. */
inline Doubles step_of(Module& net, const ThorOptions& options,
                       const std::function<void()>& backward) {
  Thor thor(net, options);
  Doubles step = values_of(net);
  thor.zero_grad();
  backward();
  thor.step();
  const Doubles after = values_of(net);
  for (std::size_t i = 0; i < step.size(); ++i) step[i] -= after[i];
  return step;
}

/** Trains with fresh data; returns the weights. */
inline Doubles trained(MixedNet& net, Optimizer& optimizer, int steps) {
  for (int i = 0; i < steps; ++i) {
    const Data data = mixed_data(static_cast<std::uint64_t>(20 + i));
    optimizer.zero_grad();
    cross_entropy(net(data.x), data.y).backward();
    optimizer.step();
  }
  return values_of(net);
}

inline std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace mjolnir::optim::scale_shift_tests
