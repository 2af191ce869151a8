// A thousand models made, trained for a step and destroyed: memory stays.
#include <fstream>
#include <functional>
#include <memory>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/loss.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/models/resnet.h>
#include <mjolnir/optim/adamw.h>
#include <mjolnir/optim/thor.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

/** Resident memory of this process in kB, from /proc. */
long resident_kb() {
  std::ifstream status("/proc/self/status");
  std::string word;
  long kb = 0;
  while (status >> word)
    if (word == "VmRSS:") status >> kb;
  return kb;
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool keeps_freed_memory = true;
#elif defined(__has_feature)
constexpr bool keeps_freed_memory = __has_feature(address_sanitizer);
#else
constexpr bool keeps_freed_memory = false;
#endif

/** Nets this small lose more to waking threads than they gain. */
struct OneThread {
  int before = num_threads();
  OneThread() { set_num_threads(1); }
  ~OneThread() { set_num_threads(before); }
};

/** Takes the loss's backward pass and one step. */
using Train =
    std::function<void(Module& net, const std::function<void()>& backward)>;

void expect_no_growth(const Train& train) {
  if (resident_kb() == 0) GTEST_SKIP() << "no /proc/self/status here";
  const OneThread one_thread;
  Generator rng(4);
  const auto live = [&] {
    models::ResNetOptions options;
    options.depth = 8;
    options.width = 2;
    options.in_channels = 2;
    options.classes = 5;
    options.second_order = true;
    models::ResNet net(options, rng);
    train(net, [&] {
      const Tensor x = normal({2, 2, 5, 4}, 0, 1, rng);
      cross_entropy(net(x), Tensor::from(std::vector<std::int64_t>{1, 4}, {2}))
          .backward();
    });
  };
  for (int i = 0; i < 100; ++i) live();  // fills the caches
  const long before = resident_kb();
  for (int i = 0; i < 1000; ++i) live();
  // AddressSanitizer keeps what was freed; its own leak check stands in.
  const long grown = keeps_freed_memory ? 0 : resident_kb() - before;
  EXPECT_LT(grown, 1024);
}

TEST(AThousandLives, GrowNothing) {
  expect_no_growth([](Module& net, const std::function<void()>& backward) {
    net.zero_grad();
    for (const auto& [name, module] : net.named_modules())
      if (auto* source = dynamic_cast<CurvatureSource*>(module))
        source->collect(Collect::Factors);
    backward();
    const NoGrad no_grad;
    for (const Tensor& w : net.parameters())
      w.copy_from(w.detach() - w.grad() * 0.1);
  });
}

TEST(AThousandLives, WithThorGrowNothing) {
  expect_no_growth([](Module& net, const std::function<void()>& backward) {
    optim::ThorOptions options;
    options.running_average = 0.9;
    optim::Thor thor(net, options);
    thor.zero_grad();
    backward();
    thor.step();
    EXPECT_EQ(thor.refreshes(), 10);
  });
}

TEST(AThousandLives, WithAdamWGrowNothing) {
  expect_no_growth([](Module& net, const std::function<void()>& backward) {
    optim::AdamW adamw(net);
    adamw.zero_grad();
    backward();
    adamw.step();
    EXPECT_EQ(adamw.steps(), 1);
  });
}

}  // namespace
}  // namespace mjolnir
