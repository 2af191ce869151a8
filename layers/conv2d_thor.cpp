#include <algorithm>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/factors.h>

namespace mjolnir {
namespace {

PadMode mode_of(const std::string& name) {
  if (name == "same") return PadMode::Same;
  if (name == "valid") return PadMode::Valid;
  if (name == "pad") return PadMode::Pad;
  throw ValueError(
      "[Conv2dThor] expected pad_mode \"same\", \"valid\" or \"pad\" (in lower "
      "case), got \"" +
      name + "\"");
}

const char* name_of(PadMode mode) {
  switch (mode) {
    case PadMode::Same:
      return "same";
    case PadMode::Valid:
      return "valid";
    case PadMode::Pad:
      break;
  }
  return "pad";
}

Padding checked_padding(const Conv2dThorOptions& options) {
  const std::vector<std::int64_t>& sides = options.padding.sides();
  if (sides.size() != 4)
    throw ValueError(
        "[Conv2dThor] expected padding of one number or four (top, bottom, "
        "left, right), got " +
        std::to_string(sides.size()));
  const Padding padding(sides[0], sides[1], sides[2], sides[3]);
  for (const std::int64_t side : sides) {
    require_at_least("Conv2dThor", "padding", side, 0);
    if (side != 0 && options.pad_mode != PadMode::Pad)
      throw ValueError("[Conv2dThor] expected padding 0 with pad_mode \"" +
                       std::string(name_of(options.pad_mode)) + "\", got " +
                       padding.str() + "; pad_mode \"pad\" takes padding");
  }
  return padding;
}

void require_divisible(const char* argument, std::int64_t value,
                       std::int64_t group) {
  if (value % group != 0)
    throw ValueError("[Conv2dThor] expected " + std::string(argument) +
                     " divisible by group = " + std::to_string(group) +
                     ", got " + std::to_string(value));
}

/** Refuses what upstream refuses, under upstream's names. */
Conv2dOptions checked(const Conv2dThorOptions& options) {
  require_at_least("Conv2dThor", "in_channels", options.in_channels, 1);
  require_at_least("Conv2dThor", "out_channels", options.out_channels, 1);
  require_pair("Conv2dThor", "kernel_size", options.kernel_size);
  require_pair("Conv2dThor", "stride", options.stride);
  require_pair("Conv2dThor", "dilation", options.dilation);
  require_at_least("Conv2dThor", "group", options.group, 1);
  require_divisible("in_channels", options.in_channels, options.group);
  require_divisible("out_channels", options.out_channels, options.group);
  Conv2dOptions plain;
  plain.in = options.in_channels;
  plain.out = options.out_channels;
  plain.kernel = options.kernel_size;
  plain.stride = options.stride;
  plain.padding = checked_padding(options);
  plain.dilation = options.dilation;
  plain.groups = options.group;
  plain.bias = options.has_bias;
  plain.dtype = options.dtype;
  return plain;
}

/** Zeros before and after an axis so that the output is ceil(n / stride). */
void pad_same(std::int64_t n, std::int64_t kernel, std::int64_t stride,
              std::int64_t dilation, std::int64_t& before,
              std::int64_t& after) {
  const std::int64_t out = (n + stride - 1) / stride;
  const std::int64_t total = std::max<std::int64_t>(
      0, (out - 1) * stride + dilation * (kernel - 1) + 1 - n);
  before = total / 2;
  after = total - before;
}

}  // namespace

PadModeArgument::PadModeArgument(const char* name)
    : mode_(mode_of(name == nullptr ? "a null pointer" : name)) {}
PadModeArgument::PadModeArgument(const std::string& name)
    : mode_(mode_of(name)) {}

Conv2dThor::Conv2dThor(const Conv2dThorOptions& options)
    : Conv2d("Conv2dThor", checked(options)), thor_options_(options) {
  // A clone copies values: a tensor given to start from need not live on.
  thor_options_.weight_init = thor_options_.bias_init = "zeros";
  enable_factors(std::make_shared<KroneckerObserver>(Collect::Factors));
}

Conv2dThor::Conv2dThor(const Conv2dThorOptions& options, Generator& rng)
    : Conv2dThor(options) {
  options.weight_init.apply(weight, rng, "[Conv2dThor] weight_init");
  if (bias.defined())
    options.bias_init.apply(bias, rng, "[Conv2dThor] bias_init");
  else if (!options.bias_init.is_zeros())
    emit(Severity::Warning, "initializer",
         "[Conv2dThor] bias_init = " + options.bias_init.str() +
             " is not used: has_bias is false");
}

Conv2dGeometry Conv2dThor::window(std::int64_t height,
                                  std::int64_t width) const {
  Conv2dGeometry window = curvature_geometry();
  if (thor_options_.pad_mode != PadMode::Same) return window;
  pad_same(height, window.kernel_h, window.stride_h, window.dilation_h,
           window.pad_top, window.pad_bottom);
  pad_same(width, window.kernel_w, window.stride_w, window.dilation_w,
           window.pad_left, window.pad_right);
  return window;
}

std::unique_ptr<Module> Conv2dThor::clone() const {
  std::unique_ptr<Conv2dThor> copy(new Conv2dThor(thor_options_));
  copy->copy_from(*this);
  return copy;
}

std::string Conv2dThor::describe() const {
  const Conv2dThorOptions& o = thor_options_;
  std::string text = "Conv2dThor(in_channels=" + std::to_string(o.in_channels) +
                     ", out_channels=" + std::to_string(o.out_channels) +
                     ", kernel_size=" + o.kernel_size.str();
  if (o.stride != 1) text += ", stride=" + o.stride.str();
  text += std::string(", pad_mode=") + name_of(o.pad_mode);
  if (o.pad_mode == PadMode::Pad)
    text += ", padding=" + options().padding.str();
  if (o.dilation != 1) text += ", dilation=" + o.dilation.str();
  if (o.group != 1) text += ", group=" + std::to_string(o.group);
  return text + ")";
}

}  // namespace mjolnir
