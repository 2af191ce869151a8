#include <mjolnir/core/error.h>
#include <mjolnir/layers/window.h>

namespace mjolnir {

std::string Pair::str() const {
  if (h == w) return std::to_string(h);
  return "(" + std::to_string(h) + "," + std::to_string(w) + ")";
}

std::string Padding::str() const {
  if (top == bottom && top == left && top == right) return std::to_string(top);
  return "(" + std::to_string(top) + "," + std::to_string(bottom) + "," +
         std::to_string(left) + "," + std::to_string(right) + ")";
}

void require_at_least(const std::string& layer, const std::string& argument,
                      std::int64_t value, std::int64_t least) {
  if (value >= least) return;
  throw ValueError("[" + layer + "] expected " + argument + " >= " +
                   std::to_string(least) + ", got " + std::to_string(value));
}

void require_floating(const std::string& layer, DType dtype) {
  if (is_floating(dtype)) return;
  throw ValueError("[" + layer + "] expected dtype f32 or f64, got " +
                   name_of(dtype));
}

namespace {

/** Of a window's numbers, as the ops allow: no sum or product overflows. */
constexpr std::int64_t largest = std::int64_t{1} << 20;

}  // namespace

void require_pair(const std::string& layer, const std::string& argument,
                  const Pair& value) {
  if (value.h < 1 || value.w < 1)
    throw ValueError("[" + layer + "] expected " + argument + " >= 1, got " +
                     value.str());
  if (value.h > largest || value.w > largest)
    throw ValueError("[" + layer + "] expected " + argument + " of at most " +
                     std::to_string(largest) + ", got " + value.str());
}

Conv2dGeometry make_window(const std::string& layer, const Pair& kernel,
                           const Pair& stride, const Padding& padding,
                           const Pair& dilation, std::int64_t groups) {
  require_pair(layer, "kernel", kernel);
  require_pair(layer, "stride", stride);
  require_pair(layer, "dilation", dilation);
  for (const std::int64_t side :
       {padding.top, padding.bottom, padding.left, padding.right})
    if (side < 0 || side > largest)
      throw ValueError("[" + layer + "] expected padding >= 0 and of at most " +
                       std::to_string(largest) + ", got " + padding.str());
  Conv2dGeometry window;
  window.kernel_h = kernel.h;
  window.kernel_w = kernel.w;
  window.stride_h = stride.h;
  window.stride_w = stride.w;
  window.pad_top = padding.top;
  window.pad_bottom = padding.bottom;
  window.pad_left = padding.left;
  window.pad_right = padding.right;
  window.dilation_h = dilation.h;
  window.dilation_w = dilation.w;
  window.groups = groups;
  return window;
}

}  // namespace mjolnir
