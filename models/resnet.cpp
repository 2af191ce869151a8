#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/pool.h>
#include <mjolnir/layers/window.h>
#include <mjolnir/models/residual.h>
#include <mjolnir/models/resnet.h>
#include <mjolnir/models/to_thor.h>

namespace mjolnir::models {
namespace {

std::unique_ptr<BatchNorm2d> norm_of(std::int64_t channels, DType dtype) {
  BatchNorm2dOptions options;
  options.channels = channels;
  options.dtype = dtype;
  return std::make_unique<BatchNorm2d>(options);
}

std::unique_ptr<Dense> head_of(std::int64_t in, std::int64_t classes,
                               DType dtype, Generator& rng) {
  DenseOptions options;
  options.in = in;
  options.out = classes;
  options.dtype = dtype;
  return std::make_unique<Dense>(options, rng);
}

void check_sizes(const char* model, std::int64_t width, std::int64_t channels,
                 std::int64_t classes) {
  require_at_least(model, "width", width, 1);
  require_at_least(model, "in_channels", channels, 1);
  require_at_least(model, "classes", classes, 1);
}

/** Blocks of the four stages of ResNet-18, 34, 50. */
std::vector<std::int64_t> stages_of(std::int64_t depth) {
  if (depth == 18) return {2, 2, 2, 2};
  if (depth == 34 || depth == 50) return {3, 4, 6, 3};
  throw ValueError("[ResNetLarge] expected depth 18, 34 or 50, got " +
                   std::to_string(depth));
}

}  // namespace

ResNet::ResNet(const ResNetOptions& options, Generator& rng)
    : options_(options) {
  if (options.depth < 8 || (options.depth - 2) % 6 != 0)
    throw ValueError(
        "[ResNet] expected depth 6n+2 (8, 20, 32, 44, 56, 110), got " +
        std::to_string(options.depth));
  check_sizes("ResNet", options.width, options.in_channels, options.classes);
  conv1_ = residual_conv(options.in_channels, options.width, 3, 1,
                         options.dtype, rng);
  bn1_ = norm_of(options.width, options.dtype);
  add("conv1", *conv1_);
  add("bn1", *bn1_);
  BlockOptions block;
  block.in = options.width;
  block.dtype = options.dtype;
  Sequential* stages[] = {&layer1_, &layer2_, &layer3_};
  for (int i = 0; i < 3; ++i) {
    block.width = options.width << i;
    block.stride = i == 0 ? 1 : 2;
    block.in = append_blocks(*stages[i], (options.depth - 2) / 6, block, rng);
    add("layer" + std::to_string(i + 1), *stages[i]);
  }
  fc_ = head_of(block.in, options.classes, options.dtype, rng);
  add("fc", *fc_);
  if (options.second_order) to_thor(*this);
}

Tensor ResNet::operator()(const Tensor& x) {
  const Tensor stem = bn1_->relu((*conv1_)(x));
  return (*fc_)(global_avg_pool(layer3_(layer2_(layer1_(stem)))));
}

std::unique_ptr<Module> ResNet::clone() const {
  Generator unused;
  auto copy = std::make_unique<ResNet>(options_, unused);
  copy->copy_from(*this);
  return copy;
}

std::string ResNet::describe() const {
  return "ResNet(depth=" + std::to_string(options_.depth) +
         ", width=" + std::to_string(options_.width) +
         ", in_channels=" + std::to_string(options_.in_channels) +
         ", classes=" + std::to_string(options_.classes) +
         (options_.second_order ? ", second_order)" : ")");
}

ResNetLarge::ResNetLarge(const ResNetLargeOptions& options, Generator& rng)
    : options_(options) {
  const std::vector<std::int64_t> counts = stages_of(options.depth);
  check_sizes("ResNetLarge", options.width, options.in_channels,
              options.classes);
  const bool small = options.stem == Stem::Small;
  conv1_ = residual_conv(options.in_channels, options.width, small ? 3 : 7,
                         small ? 1 : 2, options.dtype, rng);
  bn1_ = norm_of(options.width, options.dtype);
  add("conv1", *conv1_);
  add("bn1", *bn1_);
  BlockOptions block;
  block.kind = options.depth < 50 ? BlockKind::Basic : BlockKind::Bottleneck;
  block.in = options.width;
  block.dtype = options.dtype;
  Sequential* stages[] = {&layer1_, &layer2_, &layer3_, &layer4_};
  for (std::size_t i = 0; i < 4; ++i) {
    block.width = options.width << i;
    block.stride = i == 0 ? 1 : 2;
    block.in = append_blocks(*stages[i], counts[i], block, rng);
    add("layer" + std::to_string(i + 1), *stages[i]);
  }
  fc_ = head_of(block.in, options.classes, options.dtype, rng);
  add("fc", *fc_);
  if (options.second_order) to_thor(*this);
}

Tensor ResNetLarge::operator()(const Tensor& x) {
  Tensor y = bn1_->relu((*conv1_)(x));
  if (options_.stem == Stem::Large)
    y = max_pool2d(y, make_window("ResNetLarge", 3, 2, 1, 1));
  y = layer4_(layer3_(layer2_(layer1_(y))));
  return (*fc_)(global_avg_pool(y));
}

std::unique_ptr<Module> ResNetLarge::clone() const {
  Generator unused;
  auto copy = std::make_unique<ResNetLarge>(options_, unused);
  copy->copy_from(*this);
  return copy;
}

std::string ResNetLarge::describe() const {
  return "ResNetLarge(depth=" + std::to_string(options_.depth) +
         ", width=" + std::to_string(options_.width) +
         ", in_channels=" + std::to_string(options_.in_channels) +
         ", classes=" + std::to_string(options_.classes) +
         (options_.stem == Stem::Small ? ", small stem" : "") +
         (options_.second_order ? ", second_order)" : ")");
}

}  // namespace mjolnir::models
