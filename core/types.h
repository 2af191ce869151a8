#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#if defined(__FAST_MATH__) || \
    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "Mjolnir cannot be compiled with -ffast-math: NaN would go unnoticed"
#endif

namespace mjolnir {

/** Element type of a tensor. */
enum class DType : std::uint8_t { F32, F64, I64, U8 };

/**
 * Order of the elements in memory. Shapes and indices are always logical;
 * ChannelsLast exists for rank 4 only and keeps axis 1 innermost, so that a
 * logical (N,C,H,W) lies in memory as (N,H,W,C).
 */
enum class Layout : std::uint8_t { RowMajor, ChannelsLast };

/** Bytes of one element. */
std::size_t size_of(DType dtype) noexcept;

/** "f32", "f64", "i64" or "u8". */
const char* name_of(DType dtype) noexcept;

/** "row-major" or "channels-last". */
const char* name_of(Layout layout) noexcept;

/** True for F32 and F64. */
bool is_floating(DType dtype) noexcept;

/** DType of a C++ element type: dtype_of<float>() == DType::F32. */
template <class T>
constexpr DType dtype_of() noexcept;
template <>
constexpr DType dtype_of<float>() noexcept {
  return DType::F32;
}
template <>
constexpr DType dtype_of<double>() noexcept {
  return DType::F64;
}
template <>
constexpr DType dtype_of<std::int64_t>() noexcept {
  return DType::I64;
}
template <>
constexpr DType dtype_of<std::uint8_t>() noexcept {
  return DType::U8;
}

/**
 * Lengths of the axes of a tensor, outermost first; rank 0 is a scalar.
 * Rank is at most 8. Throws ShapeError for a negative length, a higher rank,
 * or a product that does not fit in 63 bits.
 */
class Shape {
 public:
  static constexpr std::size_t max_rank = 8;

  Shape() noexcept = default;
  Shape(std::initializer_list<std::int64_t> lengths);
  explicit Shape(const std::vector<std::int64_t>& lengths);

  /** Number of axes. */
  std::size_t rank() const noexcept { return rank_; }
  /** Product of the lengths; 1 for a scalar. */
  std::int64_t numel() const noexcept { return numel_; }
  /** Length of an axis; negative counts from the end. Throws ShapeError. */
  std::int64_t dim(std::int64_t axis) const;
  /** Length of axis i, unchecked. */
  std::int64_t operator[](std::size_t i) const noexcept { return lengths_[i]; }

  const std::int64_t* begin() const noexcept { return lengths_.data(); }
  const std::int64_t* end() const noexcept { return lengths_.data() + rank_; }

  /** This shape with the length of one axis replaced. Throws ShapeError. */
  Shape with(std::int64_t axis, std::int64_t length) const;
  /** The lengths as a vector. */
  std::vector<std::int64_t> to_vector() const { return {begin(), end()}; }
  /** "(4,3,32,32)"; "()" for a scalar. */
  std::string str() const;

  friend bool operator==(const Shape& a, const Shape& b) noexcept;
  friend bool operator!=(const Shape& a, const Shape& b) noexcept {
    return !(a == b);
  }

 private:
  void assign(const std::int64_t* lengths, std::size_t rank);

  std::array<std::int64_t, max_rank> lengths_{};
  std::size_t rank_ = 0;
  std::int64_t numel_ = 1;
};

/**
 * Position of `axis` in a shape of that rank; negative counts from the end.
 * Throws ShapeError that names `op`.
 */
std::size_t normalize_axis(const char* op, std::int64_t axis, std::size_t rank);

}  // namespace mjolnir
