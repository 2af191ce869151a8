#pragma once

#include <mjolnir/core/linalg.h>

#include "tests/layers/support.h"

namespace mjolnir::testing {

/** x^T x of random rows: symmetric, positive semidefinite. */
inline Tensor random_factor(std::int64_t n, Generator& rng) {
  return linalg::syrk(random_f64({n + 2, n}, rng), true);
}

inline Tensor diagonal(const std::vector<double>& values) {
  const auto n = std::int64_t(values.size());
  const Tensor m = Tensor::zeros({n, n}, {DType::F64});
  for (std::int64_t i = 0; i < n; ++i)
    m.mutable_data<double>()[i * n + i] = values[std::size_t(i)];
  return m;
}

/** With zeros outside of the diagonal blocks. */
inline Tensor cut(const Tensor& m, std::int64_t size) {
  const Tensor blocks = m.clone();
  const std::int64_t n = m.size(0);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      if (i / size != j / size) blocks.mutable_data<double>()[i * n + j] = 0;
  return blocks;
}

}  // namespace mjolnir::testing
