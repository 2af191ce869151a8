#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/pool.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/layers/window.h>
#include <mjolnir/models/lenet5.h>
#include <mjolnir/models/to_thor.h>

namespace mjolnir::models {

LeNet5::LeNet5(const LeNet5Options& options, Generator& rng)
    : options_(options) {
  require_at_least("LeNet5", "in_channels", options.in_channels, 1);
  require_at_least("LeNet5", "classes", options.classes, 1);
  require_at_least("LeNet5", "width", options.width, 1);
  if (options.image != 28 && options.image != 32)
    throw ValueError("[LeNet5] expected images of 28 or 32, got " +
                     std::to_string(options.image));
  const auto scaled = [&](std::int64_t size) {
    return size * options.width / 6;
  };
  const auto conv = [&](std::int64_t in, std::int64_t out,
                        std::int64_t padding) {
    Conv2dOptions made;
    made.in = in;
    made.out = out;
    made.kernel = 5;
    made.padding = padding;
    made.dtype = options.dtype;
    return std::make_unique<Conv2d>(made, rng);
  };
  const auto dense = [&](std::int64_t in, std::int64_t out) {
    DenseOptions made;
    made.in = in;
    made.out = out;
    made.dtype = options.dtype;
    return std::make_unique<Dense>(made, rng);
  };
  conv1_ =
      conv(options.in_channels, options.width, options.image == 28 ? 2 : 0);
  conv2_ = conv(options.width, scaled(16), 0);
  fc1_ = dense(scaled(16) * 5 * 5, scaled(120));
  fc2_ = dense(scaled(120), scaled(84));
  fc3_ = dense(scaled(84), options.classes);
  add("conv1", *conv1_);
  add("conv2", *conv2_);
  add("fc1", *fc1_);
  add("fc2", *fc2_);
  add("fc3", *fc3_);
  if (options.second_order) to_thor(*this);
}

Tensor LeNet5::operator()(const Tensor& x) {
  const Conv2dGeometry half = make_window("LeNet5", 2, 2, 0, 1);
  const Tensor first = max_pool2d(relu((*conv1_)(x)), half);
  const Tensor second = max_pool2d(relu((*conv2_)(first)), half);
  return (*fc3_)(relu((*fc2_)(relu((*fc1_)(flatten(second))))));
}

std::unique_ptr<Module> LeNet5::clone() const {
  Generator unused;
  auto copy = std::make_unique<LeNet5>(options_, unused);
  copy->copy_from(*this);
  return copy;
}

std::string LeNet5::describe() const {
  return "LeNet5(in_channels=" + std::to_string(options_.in_channels) +
         ", classes=" + std::to_string(options_.classes) +
         ", width=" + std::to_string(options_.width) +
         (options_.second_order ? ", second_order)" : ")");
}

}  // namespace mjolnir::models
