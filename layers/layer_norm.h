#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/layers/module.h>

namespace mjolnir {

/** Options of LayerNorm. */
struct LayerNormOptions {
  std::vector<std::int64_t> shape = {};  ///< Of the trailing axes; not empty.
  double epsilon = 1e-5;                 ///< Added to the variance; positive.
  DType dtype = DType::F32;
};

/**
 * Layer normalization (Ba, Kiros & Hinton, 2016) over the trailing axes, with
 * `weight` and `bias` of their shape. Throws ValueError for an option out of
 * its domain, ShapeError for an x that does not end in that shape.
 */
class LayerNorm : public Module {
 public:
  explicit LayerNorm(const LayerNormOptions& options);

  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;

  Tensor weight;  ///< 1 at first.
  Tensor bias;    ///< 0 at first.

 private:
  LayerNormOptions options_;
};

}  // namespace mjolnir
