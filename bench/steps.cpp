#include "bench/steps.h"

#include <algorithm>
#include <cstddef>

#include "bench/clock.h"
#include "tests/support/operator_new.h"

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

std::vector<Kind> measure(const std::vector<Trained>& all,
                          const mj::Batch& batch, int rounds) {
  std::vector<Kind> kinds;
  for (const Trained& one : all) {
    for (int i = 0; i < one.period; ++i) {
      one_step(one.net, one.optimizer, batch);
      kinds.emplace_back();
    }
  }
  const auto measure_one = [&batch](const Trained& one, Kind& kind) {
    const auto misses = mj::allocator_statistics().misses;
    const auto news = mj::testing::operator_new_calls();
    kind.times.push_back(
        seconds([&] { one_step(one.net, one.optimizer, batch); }));
    kind.misses =
        std::max(kind.misses, mj::allocator_statistics().misses - misses);
    kind.news = mj::testing::operator_new_calls() - news;
  };
  for (int round = 0; round < rounds; ++round) {
    auto kind = kinds.begin();
    for (const Trained& one : all) {
      for (int i = 0; i < one.period; ++i) measure_one(one, *kind++);
    }
  }
  return kinds;
}

}  // namespace bench
