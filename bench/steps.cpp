#include "bench/steps.h"

#include <algorithm>
#include <cstddef>

#include "bench/clock.h"

namespace bench {

namespace mj = mjolnir;

namespace {

void one_step(mj::Module& net, mj::optim::Optimizer& optimizer,
              const mj::Batch& batch) {
  optimizer.zero_grad();
  mj::cross_entropy(net(batch.images), batch.labels).backward();
  optimizer.step();
}

}  // namespace

double Kind::median() {
  auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

mj::models::ResNetOptions resnet20(const StepSize& size) {
  return {.depth = 20,
          .width = size.width,
          .in_channels = 3,
          .classes = 10,
          .second_order = true};
}

mj::Tensor random_image(const mj::Shape& shape) {
  mj::Generator rng(1);
  mj::TensorOptions options;
  options.layout = mj::Layout::ChannelsLast;
  return mj::normal(shape, 0, 1, rng, options);
}

mj::Batch random_batch(const StepSize& size, mj::Generator& rng) {
  mj::Batch batch;
  batch.images = mj::uniform({size.batch, 3, 32, 32}, -1.0, 1.0, rng)
                     .to(mj::Layout::ChannelsLast);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < size.batch; ++i) labels.push_back(i % 10);
  batch.labels = mj::Tensor::from(labels, {size.batch});
  return batch;
}

std::vector<Kind> measure(mj::Module& net, mj::optim::Optimizer& optimizer,
                          const mj::Batch& batch, int period, int rounds) {
  std::vector<Kind> kinds(static_cast<std::size_t>(period));
  for (int i = 0; i < period; ++i) one_step(net, optimizer, batch);
  for (int i = 0; i < rounds * period; ++i) {
    auto& kind = kinds[static_cast<std::size_t>(i % period)];
    const auto misses = mj::allocator_statistics().misses;
    const auto news = operator_new_calls();
    kind.times.push_back(seconds([&] { one_step(net, optimizer, batch); }));
    kind.misses =
        std::max(kind.misses, mj::allocator_statistics().misses - misses);
    kind.news = operator_new_calls() - news;
  }
  return kinds;
}

}  // namespace bench
