#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include <mjolnir/core/random.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir {

/**
 * How a parameter starts: a name, a number (a constant) or a tensor of its
 * shape. Names are those of MindSpore, in any case:
 *
 * - zero, zeros, one, ones
 * - normal: N(0, 0.01^2); truncatednormal, truncated_normal: the same, cut at
 *   two standard deviations
 * - uniform: U(-0.07, 0.07)
 * - xavieruniform, xavier_uniform: U(-b, b), b = sqrt(6/(fan_in + fan_out));
 *   xaviernormal, xavier_normal: N(0, 2/(fan_in + fan_out)) (Glorot & Bengio,
 *   2010)
 * - heuniform, he_uniform: U(-b, b), b = sqrt(6/fan_in); henormal, he_normal:
 *   N(0, 2/fan_in) (He et al., 2015)
 * - identity: the identity matrix, rank 2 only
 * - dirac: a convolution that copies its input channels, rank 3 to 5
 * - orthogonal: rows (or columns, if fewer) orthonormal, of the tensor seen as
 *   (shape[0], rest), rank at least 2
 * - variancescaling: N(0, 1/fan_in), cut at two standard deviations before it
 *   is scaled to that variance
 *
 * fan_in = shape[1] prod(shape[2:]), fan_out = shape[0] prod(shape[2:]).
 */
class Initializer {
 public:
  /** Throws ValueError for a null pointer. */
  Initializer(const char* name);
  Initializer(std::string name) : kind_(Kind::Name), name_(std::move(name)) {}
  template <class Number,
            class = std::enable_if_t<std::is_arithmetic_v<Number>>>
  Initializer(Number constant)
      : kind_(Kind::Constant), constant_(static_cast<double>(constant)) {}
  Initializer(Tensor values)
      : kind_(Kind::Tensor), values_(std::move(values)) {}

  /** True for the names zero and zeros, and for the number 0. */
  bool is_zeros() const;
  /** For a person: the name, the number or the tensor's shape. */
  std::string str() const;

  /**
   * Overwrites `parameter`; `argument` is what errors call it, e.g. "[Conv2d]
   * weight_init". Throws ValueError for an unknown name, a tensor of another
   * shape, or a shape the initializer is not made for.
   */
  void apply(const Tensor& parameter, Generator& rng,
             const std::string& argument = "[initializer]") const;

 private:
  enum class Kind : std::uint8_t { Name, Constant, Tensor };

  Kind kind_;
  std::string name_;
  double constant_ = 0;
  mjolnir::Tensor values_;
};

/** Inputs and outputs of one element of a weight; see Initializer. Throws
 * ValueError for a rank below 2. */
struct Fans {
  double in = 0;
  double out = 0;
};
Fans fans_of(const Shape& shape);

}  // namespace mjolnir
