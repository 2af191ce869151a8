#include <algorithm>

#include <mjolnir/core/ops/shape.h>
#include <mjolnir/layers/activations.h>
#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/initializers.h>
#include <mjolnir/models/autoencoder.h>
#include <mjolnir/models/to_thor.h>

namespace mjolnir::models {
namespace {

std::unique_ptr<Module> make(Nonlinearity nonlinearity) {
  switch (nonlinearity) {
    case Nonlinearity::Tanh:
      return std::make_unique<Tanh>();
    case Nonlinearity::Sigmoid:
      return std::make_unique<Sigmoid>();
    case Nonlinearity::ReLU:
      break;
  }
  return std::make_unique<ReLU>();
}

}  // namespace

Autoencoder::Autoencoder(const AutoencoderOptions& options, Generator& rng)
    : options_(options) {
  require_at_least("Autoencoder", "in_channels", options.in_channels, 1);
  require_at_least("Autoencoder", "image height", options.image.h, 1);
  require_at_least("Autoencoder", "image width", options.image.w, 1);
  require_at_least("Autoencoder", "width", options.width, 4);
  require_at_least("Autoencoder", "code", options.code, 1);
  std::vector<std::int64_t> sizes{
      Shape{options.in_channels, options.image.h, options.image.w}.numel(),
      options.width, options.width / 2, options.width / 4, options.code};
  append(encoder_, sizes, rng);
  std::reverse(sizes.begin(), sizes.end());
  append(decoder_, sizes, rng);
  add("encoder", encoder_);
  add("decoder", decoder_);
  if (options.second_order) to_thor(*this);
}

void Autoencoder::append(Sequential& to, const std::vector<std::int64_t>& sizes,
                         Generator& rng) const {
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    DenseOptions layer;
    layer.in = sizes[i];
    layer.out = sizes[i + 1];
    layer.dtype = options_.dtype;
    const Dense& dense = to.emplace<Dense>(layer, rng);
    Initializer("xavier_uniform").apply(dense.weight, rng);
    dense.bias.fill(0);
    if (i + 2 < sizes.size()) to.push(make(options_.nonlinearity));
  }
}

Tensor Autoencoder::encode(const Tensor& x) {
  return encoder_(x.rank() == 2 ? x : flatten(x));
}

Tensor Autoencoder::operator()(const Tensor& x) { return decoder_(encode(x)); }

std::unique_ptr<Module> Autoencoder::clone() const {
  Generator unused;
  auto copy = std::make_unique<Autoencoder>(options_, unused);
  copy->copy_from(*this);
  return copy;
}

std::string Autoencoder::describe() const {
  return "Autoencoder(in=" +
         Shape{options_.in_channels, options_.image.h, options_.image.w}.str() +
         ", width=" + std::to_string(options_.width) +
         ", code=" + std::to_string(options_.code) +
         (options_.second_order ? ", second_order)" : ")");
}

}  // namespace mjolnir::models
