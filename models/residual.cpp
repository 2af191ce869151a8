#include <cmath>
#include <string>

#include <mjolnir/models/residual.h>

namespace mjolnir::models {

std::unique_ptr<Conv2d> residual_conv(std::int64_t in, std::int64_t out,
                                      std::int64_t kernel, std::int64_t stride,
                                      DType dtype, Generator& rng) {
  Conv2dOptions options;
  options.in = in;
  options.out = out;
  options.kernel = kernel;
  options.stride = stride;
  options.padding = kernel / 2;
  options.bias = false;
  options.dtype = dtype;
  auto conv = std::make_unique<Conv2d>(options, rng);
  const double fan_out = static_cast<double>(out * kernel * kernel);
  const Tensor& w = conv->weight;
  w.copy_from(normal(w.shape(), 0, std::sqrt(2 / fan_out), rng, w.options()));
  return conv;
}

ResidualBlock::ResidualBlock(const BlockOptions& options, Generator& rng)
    : options_(options) {
  const std::int64_t width = options.width;
  if (options.kind == BlockKind::Basic) {
    append(options.in, width, 3, options.stride, rng);
    append(width, width, 3, 1, rng);
  } else {
    append(options.in, width, 1, 1, rng);
    append(width, width, 3, options.stride, rng);
    append(width, options.out(), 1, 1, rng);
  }
  if (options.stride == 1 && options.in == options.out()) return;
  BatchNorm2dOptions norm;
  norm.channels = options.out();
  norm.dtype = options.dtype;
  downsample_.push(residual_conv(options.in, options.out(), 1, options.stride,
                                 options.dtype, rng));
  downsample_.emplace<BatchNorm2d>(norm);
  add("downsample", downsample_);
}

void ResidualBlock::append(std::int64_t in, std::int64_t out,
                           std::int64_t kernel, std::int64_t stride,
                           Generator& rng) {
  BatchNorm2dOptions norm;
  norm.channels = out;
  norm.dtype = options_.dtype;
  convs_.push_back(residual_conv(in, out, kernel, stride, options_.dtype, rng));
  norms_.push_back(std::make_unique<BatchNorm2d>(norm));
  const std::string number = std::to_string(convs_.size());
  add("conv" + number, *convs_.back());
  add("bn" + number, *norms_.back());
}

Tensor ResidualBlock::operator()(const Tensor& x) {
  const Tensor shortcut = downsample_.empty() ? x : downsample_(x);
  Tensor y = x;
  const std::size_t last = convs_.size() - 1;
  for (std::size_t i = 0; i < last; ++i) {
    y = norms_[i]->relu((*convs_[i])(y));
  }
  return norms_[last]->relu((*convs_[last])(y), shortcut);
}

std::unique_ptr<Module> ResidualBlock::clone() const {
  Generator unused;
  auto copy = std::make_unique<ResidualBlock>(options_, unused);
  copy->copy_from(*this);
  return copy;
}

std::int64_t append_blocks(Sequential& stage, std::int64_t count,
                           BlockOptions options, Generator& rng) {
  for (std::int64_t i = 0; i < count; ++i) {
    stage.emplace<ResidualBlock>(options, rng);
    options.in = options.out();
    options.stride = 1;
  }
  return options.in;
}

}  // namespace mjolnir::models
