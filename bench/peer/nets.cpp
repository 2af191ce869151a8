#include "bench/peer/nets.h"

#include <vector>

namespace bench::peer {

namespace mj = mjolnir;

namespace {

std::unique_ptr<mj::Module> make_net(const NetSize& size, bool second_order,
                                     mj::Generator& rng) {
  const auto width = size.width;
  if (size.net == "resnet20") {
    return std::make_unique<mj::models::ResNet>(
        mj::models::ResNetOptions{
            .depth = 20, .width = width, .second_order = second_order},
        rng);
  }
  if (size.net == "resnet18") {
    return std::make_unique<mj::models::ResNetLarge>(
        mj::models::ResNetLargeOptions{.depth = 18,
                                       .width = width,
                                       .classes = 10,
                                       .stem = mj::models::Stem::Small,
                                       .second_order = second_order},
        rng);
  }
  if (size.net == "lenet5") {
    return std::make_unique<mj::models::LeNet5>(
        mj::models::LeNet5Options{.width = width, .second_order = second_order},
        rng);
  }
  if (size.net == "autoencoder") {
    return std::make_unique<mj::models::Autoencoder>(
        mj::models::AutoencoderOptions{.width = width,
                                       .second_order = second_order},
        rng);
  }
  if (size.net == "mlp") {
    return std::make_unique<mj::models::Mlp>(
        mj::models::MlpOptions{
            .width = width, .depth = 1, .second_order = second_order},
        rng);
  }
  throw mj::ValueError(
      "[peer_work] expected resnet20, resnet18, lenet5, autoencoder or mlp, "
      "got " +
      size.net);
}

}  // namespace

Problem make_problem(const NetSize& size, bool second_order) {
  mj::Generator rng(1);
  Problem problem;
  problem.net = make_net(size, second_order, rng);
  problem.reconstructs = size.net == "autoencoder";
  const bool in_colour = size.net == "resnet20" || size.net == "resnet18";
  const mj::Shape shape = in_colour ? mj::Shape{size.batch, 3, 32, 32}
                                    : mj::Shape{size.batch, 1, 28, 28};
  problem.batch.images =
      mj::uniform(shape, problem.reconstructs ? 0.0 : -1.0, 1.0, rng)
          .to(mj::Layout::ChannelsLast);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < size.batch; ++i) labels.push_back(i % 10);
  problem.batch.labels = mj::Tensor::from(labels, {size.batch});
  return problem;
}

mj::Tensor Problem::loss(const mj::Batch& of) {
  const mj::Tensor output = (*net)(of.images);
  if (!reconstructs) return mj::cross_entropy(output, of.labels);
  return mj::binary_cross_entropy_with_logits(output, mj::flatten(of.images));
}

void Problem::step(mj::optim::Optimizer& optimizer, const mj::Batch& of) {
  optimizer.zero_grad();
  loss(of).backward();
  optimizer.step();
}

}  // namespace bench::peer
