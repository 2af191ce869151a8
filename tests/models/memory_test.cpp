// What a training step of a ResNet asks of memory: no change of layout, and
// nothing of the system from the second step of a kind on.
#include <mjolnir/core/allocator.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/ops/loss.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/models/resnet.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

struct Step {
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
  void run(Collect what) {
    for (const auto& [name, module] : net.named_modules())
      if (auto* source = dynamic_cast<CurvatureSource*>(module))
        source->collect(what);
    net.zero_grad();
    cross_entropy(net(images), labels).backward();
  }
};

TEST(ResNetStep, ChangesNoLayout) {
  Step step;
  for (const Collect what :
       {Collect::Nothing, Collect::Traces, Collect::Factors}) {
    const std::int64_t before = layout_conversion_count();
    step.run(what);
    EXPECT_EQ(layout_conversion_count(), before) << int(what);
  }
}

TEST(ResNetStep, AsksTheSystemForNothingTheSecondTime) {
  Step step;
  for (const Collect what :
       {Collect::Nothing, Collect::Traces, Collect::Factors}) {
    step.run(what);
    const std::int64_t misses = allocator_statistics().misses;
    step.run(what);
    EXPECT_EQ(allocator_statistics().misses, misses) << int(what);
  }
}

}  // namespace
}  // namespace mjolnir
