#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <mjolnir/core/random.h>
#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/module.h>

namespace mjolnir {

/** Options of Embedding. */
struct EmbeddingOptions {
  std::int64_t count = 0;  ///< Rows V, at least 1: ids are 0..V-1.
  std::int64_t size = 0;   ///< Length E of a row, at least 1.
  DType dtype = DType::F32;
};

/**
 * Rows of `weight` (V,E) by id: ids (N,...) I64 give (N,...,E). Initialised
 * from N(0,1), as PyTorch's. Throws ValueError for a size below 1.
 */
class Embedding : public Module, public CurvatureSource {
 public:
  Embedding(const EmbeddingOptions& options, Generator& rng);

  Tensor operator()(const Tensor& ids) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;

  CurvatureKind curvature_kind() const override {
    return CurvatureKind::Embedding;
  }
  Tensor curvature_weight() const override { return weight; }

  Tensor weight;

 protected:
  /** Checks and registers, with the table still zero. */
  explicit Embedding(const EmbeddingOptions& options);

 private:
  EmbeddingOptions options_;
};

}  // namespace mjolnir
