#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/pool.h>
#include <mjolnir/layers/pool.h>

namespace mjolnir {
namespace {

Conv2dGeometry pool_window(const char* layer, const Pool2dOptions& options) {
  const Pair stride = options.stride == 0 ? options.kernel : options.stride;
  const Conv2dGeometry window =
      make_window(layer, options.kernel, stride, options.padding, 1);
  if (window.pad_top * 2 > window.kernel_h ||
      window.pad_bottom * 2 > window.kernel_h ||
      window.pad_left * 2 > window.kernel_w ||
      window.pad_right * 2 > window.kernel_w)
    throw ValueError("[" + std::string(layer) +
                     "] expected padding of at most half of kernel = " +
                     options.kernel.str() + ", got " + options.padding.str());
  return window;
}

std::string describe_pool(const char* layer, const Conv2dGeometry& window,
                          const Padding& padding) {
  return std::string(layer) +
         "(kernel=" + Pair(window.kernel_h, window.kernel_w).str() +
         ", stride=" + Pair(window.stride_h, window.stride_w).str() +
         ", padding=" + padding.str() + ")";
}

}  // namespace

MaxPool2d::MaxPool2d(const Pool2dOptions& options)
    : options_(options), window_(pool_window("MaxPool2d", options)) {}

Tensor MaxPool2d::operator()(const Tensor& x) { return max_pool2d(x, window_); }

std::unique_ptr<Module> MaxPool2d::clone() const {
  auto copy = std::make_unique<MaxPool2d>(options_);
  copy->copy_from(*this);
  return copy;
}

std::string MaxPool2d::describe() const {
  return describe_pool("MaxPool2d", window_, options_.padding);
}

AvgPool2d::AvgPool2d(const Pool2dOptions& options)
    : options_(options), window_(pool_window("AvgPool2d", options)) {}

Tensor AvgPool2d::operator()(const Tensor& x) { return avg_pool2d(x, window_); }

std::unique_ptr<Module> AvgPool2d::clone() const {
  auto copy = std::make_unique<AvgPool2d>(options_);
  copy->copy_from(*this);
  return copy;
}

std::string AvgPool2d::describe() const {
  return describe_pool("AvgPool2d", window_, options_.padding);
}

Tensor GlobalAvgPool::operator()(const Tensor& x) { return global_avg_pool(x); }

}  // namespace mjolnir
