#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include <mjolnir/core/geometry.h>
#include <mjolnir/core/types.h>

namespace mjolnir {

/** A size along height and width; one number means both. */
struct Pair {
  std::int64_t h = 1;
  std::int64_t w = 1;

  Pair(std::int64_t both = 1) : h(both), w(both) {}
  Pair(std::int64_t height, std::int64_t width) : h(height), w(width) {}

  friend bool operator==(const Pair& a, const Pair& b) noexcept {
    return a.h == b.h && a.w == b.w;
  }
  friend bool operator!=(const Pair& a, const Pair& b) noexcept {
    return !(a == b);
  }
  /** "3" or "(3,5)". */
  std::string str() const;
};

/** Zero padding: one number for all sides, (height, width), or (top, bottom,
 * left, right). */
struct Padding {
  std::int64_t top = 0;
  std::int64_t bottom = 0;
  std::int64_t left = 0;
  std::int64_t right = 0;

  Padding(std::int64_t all = 0)
      : top(all), bottom(all), left(all), right(all) {}
  Padding(std::int64_t height, std::int64_t width)
      : top(height), bottom(height), left(width), right(width) {}
  Padding(std::int64_t t, std::int64_t b, std::int64_t l, std::int64_t r)
      : top(t), bottom(b), left(l), right(r) {}

  /** "1" or "(top,bottom,left,right)". */
  std::string str() const;
};

/** The window of a layer. Throws ValueError, naming the layer, the argument
 * and its value, for a kernel, stride or dilation below 1, padding below 0,
 * or a number above 2^20. */
Conv2dGeometry make_window(const std::string& layer, const Pair& kernel,
                           const Pair& stride, const Padding& padding,
                           const Pair& dilation, std::int64_t groups = 1);

/** Throws ValueError "[layer] expected argument ..., got value" unless both are
 * in [1, 2^20]. */
void require_pair(const std::string& layer, const std::string& argument,
                  const Pair& value);

/** Throws ValueError "[layer] expected dtype f32 or f64, got ...". */
void require_floating(const std::string& layer, DType dtype);

/** Throws ValueError "[layer] expected argument >= least, got value". */
void require_at_least(const std::string& layer, const std::string& argument,
                      std::int64_t value, std::int64_t least);

}  // namespace mjolnir
