#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/models/mlp.h>
#include <mjolnir/models/to_thor.h>

namespace mjolnir::models {

Mlp::Mlp(const MlpOptions& options, Generator& rng) : options_(options) {
  require_at_least("Mlp", "in_channels", options.in_channels, 1);
  require_at_least("Mlp", "image height", options.image.h, 1);
  require_at_least("Mlp", "image width", options.image.w, 1);
  require_at_least("Mlp", "width", options.width, 1);
  require_at_least("Mlp", "depth", options.depth, 0);
  require_at_least("Mlp", "classes", options.classes, 1);
  DenseOptions layer;
  layer.in =
      Shape{options.in_channels, options.image.h, options.image.w}.numel();
  layer.dtype = options.dtype;
  for (std::int64_t i = 0; i <= options.depth; ++i) {
    layer.out = i == options.depth ? options.classes : options.width;
    layers_.push_back(std::make_unique<Dense>(layer, rng));
    add("fc" + std::to_string(i + 1), *layers_.back());
    layer.in = layer.out;
  }
  if (options.second_order) to_thor(*this);
}

Tensor Mlp::operator()(const Tensor& x) {
  Tensor y = x.rank() == 2 ? x : flatten(x);
  for (std::size_t i = 0; i < layers_.size(); ++i)
    y = (*layers_[i])(i == 0 ? y : relu(y));
  return y;
}

std::unique_ptr<Module> Mlp::clone() const {
  Generator unused;
  auto copy = std::make_unique<Mlp>(options_, unused);
  copy->copy_from(*this);
  return copy;
}

std::string Mlp::describe() const {
  return "Mlp(in=" +
         Shape{options_.in_channels, options_.image.h, options_.image.w}.str() +
         ", width=" + std::to_string(options_.width) +
         ", depth=" + std::to_string(options_.depth) +
         ", classes=" + std::to_string(options_.classes) +
         (options_.second_order ? ", second_order)" : ")");
}

}  // namespace mjolnir::models
