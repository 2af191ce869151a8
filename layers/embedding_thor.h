#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <mjolnir/layers/embedding.h>
#include <mjolnir/layers/initializers.h>

namespace mjolnir {

/** Options of EmbeddingThor: MindSpore's arguments, names and defaults. Its
 * use_one_hot changes no result and is not there. */
struct EmbeddingThorOptions {
  std::int64_t vocab_size = 0;      ///< Rows V, at least 1.
  std::int64_t embedding_size = 0;  ///< Length E of a row, at least 1.
  Initializer embedding_table = "normal";
  /** A row that starts at 0; in [0, vocab_size). It is trained as the others
   * are. */
  std::optional<std::int64_t> padding_idx = {};
  DType dtype = DType::F32;
};

/**
 * An Embedding with the arguments, defaults and refusals of MindSpore's
 * EmbeddingThor, which from birth sums its Kronecker factors in every backward
 * pass: A is a diagonal, how often each id came, G that of a Dense layer. That
 * is K-FAC's block (Martens & Grosse, ICML 2015, section 3) of one-hot inputs.
 * Throws ValueError that names layer, argument and value.
 */
class EmbeddingThor : public Embedding {
 public:
  EmbeddingThor(const EmbeddingThorOptions& options, Generator& rng);

  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;

 private:
  explicit EmbeddingThor(const EmbeddingThorOptions& options);

  EmbeddingThorOptions thor_options_;
};

}  // namespace mjolnir
