#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/core/random.h>

#include "bench/benches.h"
#include "bench/clock.h"
#include "bench/steps.h"

// Single ops at the sizes of a ResNet-20 step. A convolution is measured
// against the GEMM peak, an op that does little arithmetic against the speed
// of reading two arrays and writing a third of the same size.

namespace bench {
namespace {

using mjolnir::Tensor;

Tensor image(std::int64_t batch, std::int64_t channels, std::int64_t side) {
  return random_image({batch, channels, side, side});
}

void convolution(Report& report, double peak, std::int64_t batch,
                 std::int64_t channels, std::int64_t side) {
  const mjolnir::NoGrad guard;
  mjolnir::Conv2dGeometry window;
  window.kernel_h = window.kernel_w = 3;
  window.pad_top = window.pad_bottom = window.pad_left = window.pad_right = 1;
  const Tensor x = image(batch, channels, side);
  const Tensor dy = image(batch, channels, side);
  const Tensor w = image(channels, channels, 3);
  const double flops = 2.0 * 9.0 * static_cast<double>(channels * x.numel());
  const std::string shape = std::to_string(batch) + "x" +
                            std::to_string(channels) + "x" +
                            std::to_string(side) + "x" + std::to_string(side);
  const auto add = [&](const char* key, const char* words, auto&& run) {
    report.add("conv_" + shape + "_" + key,
               "3x3 convolution of " + shape + ", " + words,
               100.0 * flops / best_of(10, run) / peak, "% of GEMM peak", 0);
  };
  add("forward", "forward", [&] { conv2d(x, w, Tensor(), window); });
  add("input", "input gradient",
      [&] { conv2d_input_gradient(dy, w, x.shape(), window); });
  add("weight", "weight gradient",
      [&] { conv2d_weight_gradient(x, dy, w.shape(), window); });
}

// Gradient of one op at the given inputs, without what the forward pass costs.
double backward_seconds(const Tensor& y, const Tensor& dy,
                        const std::vector<Tensor>& inputs) {
  mjolnir::GradOptions options;
  options.retain_graph = true;
  options.grad_outputs = {dy};
  return best_of(10, [&] { mjolnir::grad({y}, inputs, options); });
}

void thin_ops(Report& report, std::int64_t channels, std::int64_t side) {
  const Tensor x = image(128, channels, side);
  const Tensor dy = image(128, channels, side);
  const double bytes = 4.0 * static_cast<double>(x.numel());
  double reference = 0.0;
  {
    const mjolnir::NoGrad guard;
    reference = 3.0 * bytes / best_of(10, [&] { add(x, dy); });
  }
  const std::string shape = "128x" + std::to_string(channels) + "x" +
                            std::to_string(side) + "x" + std::to_string(side);
  report.add("add_" + shape, "sum of two of " + shape, reference / 1e9, "GB/s",
             0);
  // `passes`: arrays of this size read or written by the least possible work.
  const auto add = [&](const std::string& key, const std::string& words,
                       double passes, double time) {
    report.add(key + "_" + shape, words + ", " + shape,
               100.0 * passes * bytes / time / reference, "% of the sum's rate",
               0);
  };
  const Tensor weight = Tensor::ones({channels});
  const Tensor bias = Tensor::zeros({channels});
  for (const Tensor& t : {x, weight, bias}) t.set_requires_grad(true);
  mjolnir::BatchNormOptions training;
  training.training = true;
  const auto normalize = [&] {
    return batch_norm(x, weight, bias, Tensor(), Tensor(), training);
  };
  add("batch_norm", "batch norm", 3, best_of(10, normalize));
  add("batch_norm_gradient", "batch norm, gradient", 5,
      backward_seconds(normalize(), dy, {x, weight, bias}));
  add("relu", "relu", 2, best_of(10, [&] { relu(x); }));
  add("relu_gradient", "relu, gradient", 3, backward_seconds(relu(x), dy, {x}));
}

}  // namespace

void kernel_figures(Report& report, double peak) {
  report.section("Kernels, f32, best of 10");
  convolution(report, peak, 128, 16, 32);
  convolution(report, peak, 128, 32, 16);
  convolution(report, peak, 128, 64, 8);
  convolution(report, peak, 64, 64, 32);
  convolution(report, peak, 64, 256, 8);
  thin_ops(report, 16, 32);
  thin_ops(report, 64, 8);
}

}  // namespace bench
