// What a training step of a ResNet asks of memory: no change of layout, and
// nothing of the system from the second step of a kind on, with and without
// somebody who watches its normalization layers.
#include <mjolnir/core/allocator.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/ops/loss.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/scale_shift.h>
#include <mjolnir/models/resnet.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

struct Step {
  /** What watches a normalization layer, as with scale_shift. */
  struct Pair {
    std::shared_ptr<ScaleShiftObserver> observer;
    ObservationHandle handle;
  };

  explicit Step(bool watched) {
    if (!watched) return;
    for (const auto& [name, module] : net.named_modules()) {
      auto* source = dynamic_cast<ScaleShiftSource*>(module);
      if (source == nullptr) continue;
      const auto observer = std::make_shared<ScaleShiftObserver>();
      pairs.push_back({observer, source->observe(observer)});
    }
  }

  std::vector<Pair> pairs;
  Generator rng{1};
  models::ResNet net{options(), rng};
  Tensor images =
      normal({6, 3, 16, 14}, 0, 1, rng, {DType::F32, Layout::ChannelsLast});
  Tensor labels =
      Tensor::from(std::vector<std::int64_t>{1, 4, 0, 2, 2, 3}, {6});

  static models::ResNetOptions options() {
    models::ResNetOptions options;
    options.depth = 8;
    options.width = 8;
    options.classes = 5;
    options.second_order = true;
    return options;
  }
  void evaluate(std::int64_t count) {
    const NoGrad no_grad;
    net.eval();
    cross_entropy(net(slice(images, 0, 0, count)), slice(labels, 0, 0, count));
    net.train();
  }
  void run(Collect what, std::int64_t count = 6) {
    for (const auto& [name, module] : net.named_modules())
      if (auto* source = dynamic_cast<CurvatureSource*>(module))
        source->collect(what);
    for (const Pair& pair : pairs)
      pair.observer->collect(what == Collect::Factors);
    net.zero_grad();
    cross_entropy(net(slice(images, 0, 0, count)), slice(labels, 0, 0, count))
        .backward();
    for (const Pair& pair : pairs) pair.observer->sums();
  }
};

TEST(ResNetStep, ChangesNoLayout) {
  for (const bool watched : {true, false}) {
    Step step(watched);
    for (const Collect what :
         {Collect::Nothing, Collect::Traces, Collect::Factors}) {
      const std::int64_t before = layout_conversion_count();
      step.run(what);
      EXPECT_EQ(layout_conversion_count(), before) << int(what);
    }
  }
}

// A plain step, a look, a refresh, a short last batch, and an evaluation with
// one: nothing may depend on which threads happen to run at once, so each is
// tried often.
TEST(ResNetStep, AsksTheSystemForNothingTheSecondTime) {
  const int before = num_threads();
  for (const auto& [threads, watched] :
       {std::pair{1, true}, {2, true}, {4, true}, {2, false}}) {
    set_num_threads(threads);
    Step step(watched);
    const std::vector<std::function<void()>> kinds{
        [&] { step.run(Collect::Nothing); },
        [&] { step.run(Collect::Traces); },
        [&] { step.run(Collect::Factors); },
        [&] { step.run(Collect::Factors, 5); },
        [&] { step.evaluate(6); },
        [&] { step.evaluate(1); },
    };
    empty_cache();
    for (const auto& kind : kinds) kind();
    const std::int64_t misses = allocator_statistics().misses;
    for (int again = 0; again < 20; ++again) {
      for (std::size_t k = 0; k < kinds.size(); ++k) {
        kinds[k]();
        ASSERT_EQ(allocator_statistics().misses, misses)
            << "kind " << k << ", occurrence " << again + 2 << ", " << threads
            << " threads";
      }
    }
  }
  set_num_threads(before);
}

}  // namespace
}  // namespace mjolnir
