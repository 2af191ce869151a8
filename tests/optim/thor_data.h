#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <mjolnir/optim/thor.h>

#include "tests/optim/thor_net.h"

namespace mjolnir::optim {

struct Data {
  Tensor x;
  Tensor y;
};

inline Data random_data(std::int64_t n, std::uint64_t seed,
                        DType dtype = DType::F64) {
  Generator rng(seed);
  Data data;
  data.x = normal({n, 3, 5, 6}, 0.0, 1.0, rng, {dtype, Layout::RowMajor});
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < n; ++i) {
    labels.push_back(static_cast<std::int64_t>(rng.below(3)));
  }
  data.y = Tensor::from<std::int64_t>(labels, {n});
  return data;
}

inline Data part(const Data& data, std::int64_t begin, std::int64_t end) {
  return {slice(data.x, 0, begin, end), slice(data.y, 0, begin, end)};
}

inline ThorOptions small_options() {
  ThorOptions options;
  options.learning_rate = 0.05;
  options.damping = 0.05;
  options.weight_decay = 0.01;
  options.frequency = 2;
  return options;
}

inline std::unique_ptr<ThorNet> make_net(DType dtype = DType::F64) {
  Generator rng(21);
  return std::make_unique<ThorNet>(rng, dtype);
}

/** Steps on fresh data with the ordinary four lines. */
inline void train(ThorNet& net, Optimizer& optimizer, int steps,
                  double scale = 1.0, DType dtype = DType::F64) {
  for (int step = 0; step < steps; ++step) {
    const Data data =
        random_data(4, static_cast<std::uint64_t>(100 + step), dtype);
    optimizer.zero_grad();
    (cross_entropy(net(data.x), data.y) * scale).backward();
    optimizer.step();
  }
}

}  // namespace mjolnir::optim
