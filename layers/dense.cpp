#include <cmath>

#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/matmul.h>
#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/window.h>

namespace mjolnir {

Dense::Dense(const char* layer, const DenseOptions& options)
    : options_(options) {
  require_floating(layer, options.dtype);
  require_at_least(layer, "in", options.in, 1);
  require_at_least(layer, "out", options.out, 1);
  weight = Tensor::zeros({options.out, options.in}, {options.dtype});
  add("weight", weight);
  if (!options.bias) return;
  bias = Tensor::zeros({options.out}, {options.dtype});
  add("bias", bias);
}

Dense::Dense(const DenseOptions& options, Generator& rng)
    : Dense("Dense", options) {
  const double bound = 1 / std::sqrt(static_cast<double>(options.in));
  weight.copy_from(
      uniform(weight.shape(), -bound, bound, rng, weight.options()));
  if (bias.defined())
    bias.copy_from(uniform(bias.shape(), -bound, bound, rng, bias.options()));
}

Tensor Dense::operator()(const Tensor& x) {
  const Tensor y = linear(x, weight, bias);
  const std::int64_t samples = options_.positions_are_samples || x.rank() < 2
                                   ? x.numel() / options_.in
                                   : x.size(0);
  watch(x, y, {}, samples);
  return y;
}

std::unique_ptr<Module> Dense::clone() const {
  std::unique_ptr<Dense> copy(new Dense("Dense", options_));
  copy->copy_from(*this);
  return copy;
}

std::string Dense::describe() const {
  return "Dense(in=" + std::to_string(options_.in) +
         ", out=" + std::to_string(options_.out) + ")";
}

}  // namespace mjolnir
