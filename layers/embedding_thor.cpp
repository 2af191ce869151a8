#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/layers/embedding_thor.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/window.h>

namespace mjolnir {
namespace {

EmbeddingOptions checked(const EmbeddingThorOptions& options) {
  require_at_least("EmbeddingThor", "vocab_size", options.vocab_size, 1);
  require_at_least("EmbeddingThor", "embedding_size", options.embedding_size,
                   1);
  const std::int64_t padding = options.padding_idx.value_or(0);
  if (padding < 0 || padding >= options.vocab_size) {
    throw ValueError("[EmbeddingThor] expected padding_idx in [0, " +
                     std::to_string(options.vocab_size) + "), got " +
                     std::to_string(padding));
  }
  EmbeddingOptions plain;
  plain.count = options.vocab_size;
  plain.size = options.embedding_size;
  plain.dtype = options.dtype;
  return plain;
}

}  // namespace

EmbeddingThor::EmbeddingThor(const EmbeddingThorOptions& options)
    : Embedding(checked(options)), thor_options_(options) {
  // A clone copies values: a tensor given to start from need not live on.
  thor_options_.embedding_table = "zeros";
  enable_factors(std::make_shared<KroneckerObserver>(Collect::Factors));
}

EmbeddingThor::EmbeddingThor(const EmbeddingThorOptions& options,
                             Generator& rng)
    : EmbeddingThor(options) {
  options.embedding_table.apply(weight, rng, "[EmbeddingThor] embedding_table");
  if (!options.padding_idx) return;
  const NoGrad no_grad;
  slice(weight, 0, *options.padding_idx, *options.padding_idx + 1).fill(0.0);
}

std::unique_ptr<Module> EmbeddingThor::clone() const {
  std::unique_ptr<EmbeddingThor> copy(new EmbeddingThor(thor_options_));
  copy->copy_from(*this);
  return copy;
}

std::string EmbeddingThor::describe() const {
  return "EmbeddingThor(vocab_size=" +
         std::to_string(thor_options_.vocab_size) +
         ", embedding_size=" + std::to_string(thor_options_.embedding_size) +
         ")";
}

}  // namespace mjolnir
