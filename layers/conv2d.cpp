#include <cmath>

#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/conv.h>
#include <mjolnir/layers/conv2d.h>

namespace mjolnir {
namespace {

void require_divisor(const char* layer, const char* argument,
                     std::int64_t value, std::int64_t groups) {
  if (value % groups == 0) return;
  throw ValueError("[" + std::string(layer) + "] expected " + argument +
                   " divisible by groups = " + std::to_string(groups) +
                   ", got " + std::to_string(value));
}

}  // namespace

Conv2d::Conv2d(const char* layer, const Conv2dOptions& options)
    : options_(options) {
  require_floating(layer, options.dtype);
  require_at_least(layer, "in", options.in, 1);
  require_at_least(layer, "out", options.out, 1);
  require_at_least(layer, "groups", options.groups, 1);
  require_divisor(layer, "in", options.in, options.groups);
  require_divisor(layer, "out", options.out, options.groups);
  window_ = make_window(layer, options.kernel, options.stride, options.padding,
                        options.dilation, options.groups);
  weight = Tensor::zeros({options.out, options.in / options.groups,
                          options.kernel.h, options.kernel.w},
                         {options.dtype, Layout::ChannelsLast});
  add("weight", weight);
  if (!options.bias) return;
  bias = Tensor::zeros({options.out}, {options.dtype});
  add("bias", bias);
}

Conv2d::Conv2d(const Conv2dOptions& options, Generator& rng)
    : Conv2d("Conv2d", options) {
  const double fan_in = static_cast<double>(weight.numel() / options.out);
  const double bound = 1 / std::sqrt(fan_in);
  weight.copy_from(
      uniform(weight.shape(), -bound, bound, rng, weight.options()));
  if (bias.defined())
    bias.copy_from(uniform(bias.shape(), -bound, bound, rng, bias.options()));
}

Conv2dGeometry Conv2d::window(std::int64_t, std::int64_t) const {
  return window_;
}

Tensor Conv2d::operator()(const Tensor& x) {
  const Conv2dGeometry geometry =
      x.rank() == 4 ? window(x.size(2), x.size(3)) : window_;
  const Tensor y = conv2d(x, weight, bias, geometry);
  watch(x, y, geometry);
  return y;
}

std::unique_ptr<Module> Conv2d::clone() const {
  std::unique_ptr<Conv2d> copy(new Conv2d("Conv2d", options_));
  copy->copy_from(*this);
  return copy;
}

std::string Conv2d::describe() const {
  std::string text = "Conv2d(in=" + std::to_string(options_.in) +
                     ", out=" + std::to_string(options_.out) +
                     ", kernel=" + options_.kernel.str();
  if (options_.stride != 1) text += ", stride=" + options_.stride.str();
  if (options_.padding.str() != "0")
    text += ", padding=" + options_.padding.str();
  if (options_.dilation != 1) text += ", dilation=" + options_.dilation.str();
  if (options_.groups != 1)
    text += ", groups=" + std::to_string(options_.groups);
  return text + ")";
}

}  // namespace mjolnir
