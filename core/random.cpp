#include <mjolnir/core/random.h>

#include <cmath>
#include <numeric>
#include <utility>

#include <mjolnir/core/autograd.h>

#include "core/detail/dispatch.h"
#include "core/kernels/philox.h"

namespace mjolnir {

Generator::Generator(std::uint64_t seed, std::uint64_t stream) noexcept {
  state_.seed = seed;
  state_.stream = stream;
  refill();
}

void Generator::refill() noexcept {
  block_ = kernels::philox(state_.seed, state_.stream, state_.counter);
}

void Generator::set_state(const State& state) {
  if (state.lane > block_.size()) {
    throw ValueError("[Generator::set_state] expected a lane of 0 to 2, got " +
                     std::to_string(state.lane));
  }
  state_ = state;
  refill();
}

std::uint64_t Generator::next() noexcept {
  if (state_.lane == block_.size()) {
    ++state_.counter;
    state_.lane = 0;
    refill();
  }
  return block_[state_.lane++];
}

double Generator::uniform() noexcept { return kernels::unit_interval(next()); }

// Box and Muller, "A note on the generation of random normal deviates", 1958.
double Generator::normal() noexcept {
  if (state_.has_spare) {
    state_.has_spare = false;
    return state_.spare;
  }
  constexpr double two_pi = 6.283185307179586476925;
  const double u = 1.0 - uniform();  // in (0, 1]
  const double radius = std::sqrt(-2.0 * std::log(u));
  const double angle = two_pi * uniform();
  state_.spare = radius * std::sin(angle);
  state_.has_spare = true;
  return radius * std::cos(angle);
}

std::uint64_t Generator::below(std::uint64_t bound) noexcept {
  if (bound <= 1) return 0;
  // Numbers below 2^64 mod bound would make the small results likelier.
  const std::uint64_t reject = (0 - bound) % bound;
  std::uint64_t bits = next();
  while (bits < reject) bits = next();
  return bits % bound;
}

std::vector<std::int64_t> Generator::permutation(std::int64_t n) {
  if (n < 0) {
    throw ValueError(
        "[Generator::permutation] expected a length of at least 0, got " +
        std::to_string(n));
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[below(i)]);
  }
  return order;
}

Generator Generator::split() noexcept {
  const std::uint64_t seed = next();
  return Generator(seed, next());
}

namespace {

template <class Draw>
Tensor drawn(const char* op, const Shape& shape, const TensorOptions& options,
             Draw draw) {
  TensorOptions row_major = options;
  row_major.layout = Layout::RowMajor;
  const Tensor x = Tensor::empty(shape, row_major);
  dispatch_float(op, options.dtype, [&](auto tag) {
    using T = decltype(tag);
    T* const y = x.mutable_data<T>();
    for (std::int64_t i = 0; i < x.numel(); ++i) y[i] = static_cast<T>(draw());
  });
  const NoGrad guard;
  return x.to(options.layout);
}

}  // namespace

Tensor uniform(const Shape& shape, double low, double high, Generator& rng,
               const TensorOptions& options) {
  return drawn("uniform", shape, options,
               [&] { return low + (high - low) * rng.uniform(); });
}

Tensor normal(const Shape& shape, double mean, double stddev, Generator& rng,
              const TensorOptions& options) {
  return drawn("normal", shape, options,
               [&] { return mean + stddev * rng.normal(); });
}

}  // namespace mjolnir
