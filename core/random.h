#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <mjolnir/core/tensor.h>

namespace mjolnir {

/**
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel
 * random numbers: as easy as 1, 2, 3", SC11). The stream of bits is a pure
 * function of (seed, stream, counter), and what is made of it by integer
 * arithmetic and exact products is the same on every machine: next(),
 * uniform(), below(), permutation(), split(). normal() calls the C library's
 * log, sin and cos: another C library may give another last bit.
 */
class Generator {
 public:
  using result_type = std::uint64_t;

  explicit Generator(std::uint64_t seed = 0, std::uint64_t stream = 0) noexcept;

  /** Next 64 random bits. */
  std::uint64_t next() noexcept;
  std::uint64_t operator()() noexcept { return next(); }
  static constexpr std::uint64_t min() noexcept { return 0; }
  static constexpr std::uint64_t max() noexcept { return ~std::uint64_t{0}; }

  /** Uniform in [0, 1), 53 bits. */
  double uniform() noexcept;
  /** Standard normal, by Box-Muller: two numbers from two draws. */
  double normal() noexcept;
  /** Uniform integer in [0, bound), without bias; bound >= 1. */
  std::uint64_t below(std::uint64_t bound) noexcept;
  /** A random permutation of 0..n-1 (Fisher-Yates). Throws ValueError for a
   * negative n. */
  std::vector<std::int64_t> permutation(std::int64_t n);

  /** A generator of its own stream, drawn from this one (advances it). */
  Generator split() noexcept;

  /** Everything needed to continue: save it, restore it, same numbers. */
  struct State {
    std::uint64_t seed = 0;
    std::uint64_t stream = 0;
    std::uint64_t counter = 0;
    std::uint64_t lane = 0;  ///< Words of the current block already used.
    double spare = 0.0;      ///< Second Box-Muller value, if has_spare.
    bool has_spare = false;
  };
  State state() const noexcept { return state_; }
  /** Continues from there. Throws ValueError for a lane above 2. */
  void set_state(const State& state);

 private:
  void refill() noexcept;

  State state_;
  std::array<std::uint64_t, 2> block_{};
};

/** Tensor of U(low, high), in logical order, independent of the layout. */
Tensor uniform(const Shape& shape, double low, double high, Generator& rng,
               const TensorOptions& options = {});

/** Tensor of N(mean, stddev^2), in logical order. */
Tensor normal(const Shape& shape, double mean, double stddev, Generator& rng,
              const TensorOptions& options = {});

}  // namespace mjolnir
