#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/norm.h>
#include <mjolnir/layers/layer_norm.h>
#include <mjolnir/layers/window.h>

#include "core/detail/number.h"

namespace mjolnir {

LayerNorm::LayerNorm(const LayerNormOptions& options) : options_(options) {
  require_floating("LayerNorm", options.dtype);
  if (options.shape.empty())
    throw ValueError("[LayerNorm] expected a shape of at least one axis");
  for (const std::int64_t length : options.shape)
    require_at_least("LayerNorm", "shape", length, 1);
  if (!(options.epsilon > 0))
    throw ValueError("[LayerNorm] expected epsilon > 0, got " +
                     detail::number(options.epsilon));
  weight = Tensor::ones(Shape(options.shape), {options.dtype});
  bias = Tensor::zeros(Shape(options.shape), {options.dtype});
  add("weight", weight);
  add("bias", bias);
}

Tensor LayerNorm::operator()(const Tensor& x) {
  const auto axes = static_cast<std::int64_t>(options_.shape.size());
  const double epsilon = options_.epsilon;
  const Tensor y = layer_norm(x, weight, bias, axes, epsilon);
  if (!is_observed()) return y;
  const bool rows =
      options_.positions_are_samples || x.rank() == options_.shape.size();
  watch(y, false, rows ? x.numel() / weight.numel() : x.size(0),
        [kept = Saved(x.detach()), axes, epsilon] {
          return layer_norm(kept.get(), Tensor(), Tensor(), axes, epsilon);
        });
  return y;
}

std::unique_ptr<Module> LayerNorm::clone() const {
  auto copy = std::make_unique<LayerNorm>(options_);
  copy->copy_from(*this);
  return copy;
}

std::string LayerNorm::describe() const {
  return "LayerNorm" + weight.shape().str();
}

}  // namespace mjolnir
