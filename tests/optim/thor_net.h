#pragma once

#include <vector>

#include <mjolnir/core/ops.h>
#include <mjolnir/core/random.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/module.h>

namespace mjolnir {

/** A small net whose two convolutions differ in everything. */
struct ThorNet : Module {
  explicit ThorNet(Generator& rng, DType dtype = DType::F64)
      : conv1(first(dtype), rng),
        conv2(second(dtype), rng),
        fc(last(dtype), rng) {
    add("conv1", conv1);
    add("conv2", conv2);
    add("fc", fc);
  }

  Tensor operator()(const Tensor& x) override {
    return fc(global_avg_pool(relu(conv2(relu(conv1(x))))));
  }

  static Conv2dThorOptions first(DType dtype) {
    Conv2dThorOptions options;
    options.in_channels = 3;
    options.out_channels = 4;
    options.kernel_size = {3, 2};
    options.has_bias = true;
    options.weight_init = "he_normal";
    options.dtype = dtype;
    return options;
  }
  static Conv2dThorOptions second(DType dtype) {
    Conv2dThorOptions options;
    options.in_channels = 4;
    options.out_channels = 5;
    options.kernel_size = {2, 3};
    options.stride = {2, 1};
    options.dilation = {1, 2};
    options.pad_mode = PadMode::Pad;
    options.padding = {1, 0, 0, 2};
    options.weight_init = "he_normal";
    options.dtype = dtype;
    return options;
  }
  static DenseThorOptions last(DType dtype) {
    DenseThorOptions options;
    options.in_channels = 5;
    options.out_channels = 3;
    options.weight_init = "he_normal";
    options.dtype = dtype;
    return options;
  }

  Conv2dThor conv1;
  Conv2dThor conv2;
  DenseThor fc;
};

/** Every parameter of a module, in logical order, as doubles. */
inline std::vector<double> weights_of(const Module& module) {
  std::vector<double> all;
  for (const Tensor& p : module.parameters()) {
    for (const double v : p.to(DType::F64).to_vector<double>()) {
      all.push_back(v);
    }
  }
  return all;
}

}  // namespace mjolnir
