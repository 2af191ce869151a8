#include <gtest/gtest.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/core/random.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/models/resnet.h>

#include <algorithm>
#include <ctime>

namespace mjolnir {
namespace {

// Processor time: other programs on this machine do not count.
double processor_seconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

// Best of a few steps of a small ResNet whose parameters are scaled.
double step_seconds(double scale) {
  Generator rng(1);
  models::ResNetOptions options;
  options.depth = 8;
  models::ResNet net(options, rng);
  for (const Tensor& p : net.parameters()) p.copy_from(p.detach() * scale);
  const Tensor x = normal({16, 3, 32, 32}, 0, 1, rng);
  const Tensor labels =
      Tensor::from(std::vector<std::int64_t>(16, 1), Shape{16});
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const double start = processor_seconds();
    cross_entropy(net(x), labels).backward();
    best = std::min(best, processor_seconds() - start);
  }
  return best;
}

// Numbers below 1e-38 lose digits; on some processors they also take a slow
// path.
TEST(Denormals, AStepWithDenormalWeightsIsNotThreeTimesSlower) {
  const int threads = num_threads();
  set_num_threads(1);
  for (const Backend backend : {Backend::Auto, Backend::Reference}) {
    const ScopedBackend scope(backend);
    EXPECT_LE(step_seconds(1e-40), 3 * step_seconds(1));
  }
  set_num_threads(threads);
}

}  // namespace
}  // namespace mjolnir
