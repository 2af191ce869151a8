#include <mjolnir/core/ops/embedding.h>
#include <mjolnir/layers/embedding.h>
#include <mjolnir/layers/window.h>

namespace mjolnir {

Embedding::Embedding(const EmbeddingOptions& options) : options_(options) {
  require_floating("Embedding", options.dtype);
  require_at_least("Embedding", "count", options.count, 1);
  require_at_least("Embedding", "size", options.size, 1);
  weight = Tensor::zeros({options.count, options.size}, {options.dtype});
  add("weight", weight);
}

Embedding::Embedding(const EmbeddingOptions& options, Generator& rng)
    : Embedding(options) {
  weight.copy_from(normal(weight.shape(), 0, 1, rng, weight.options()));
}

Tensor Embedding::operator()(const Tensor& ids) {
  const Tensor y = embedding(weight, ids);
  watch(ids, y, {}, ids.rank() == 0 ? 1 : ids.size(0));
  return y;
}

std::unique_ptr<Module> Embedding::clone() const {
  std::unique_ptr<Embedding> copy(new Embedding(options_));
  copy->copy_from(*this);
  return copy;
}

std::string Embedding::describe() const {
  return "Embedding(count=" + std::to_string(options_.count) +
         ", size=" + std::to_string(options_.size) + ")";
}

}  // namespace mjolnir
