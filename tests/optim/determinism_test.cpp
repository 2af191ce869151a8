// The same seed and number of threads give the same bits.
#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include <mjolnir/core/ops.h>
#include <mjolnir/core/random.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/optim/thor.h>

namespace mjolnir::optim {
namespace {

// Restores the number of threads at the end of a test.
struct ScopedThreads {
  explicit ScopedThreads(int count) { set_num_threads(count); }
  ~ScopedThreads() { set_num_threads(before); }
  int before = num_threads();
};

// Wide enough for work to be shared, with a stride, a norm and a bias.
struct Net : Module {
  explicit Net(Generator& rng)
      : conv1(conv(3, 16, 1), rng),
        norm(channels(16)),
        conv2(conv(16, 24, 2), rng),
        fc(dense(), rng) {
    add("conv1", conv1);
    add("norm", norm);
    add("conv2", conv2);
    add("fc", fc);
  }

  Tensor operator()(const Tensor& x) override {
    return fc(global_avg_pool(relu(conv2(relu(norm(conv1(x)))))));
  }

  static Conv2dThorOptions conv(std::int64_t in, std::int64_t out,
                                std::int64_t stride) {
    Conv2dThorOptions options;
    options.in_channels = in;
    options.out_channels = out;
    options.kernel_size = {3, 3};
    options.stride = {stride, stride};
    options.weight_init = "he_normal";
    return options;
  }
  static BatchNorm2dOptions channels(std::int64_t count) {
    BatchNorm2dOptions options;
    options.channels = count;
    return options;
  }
  static DenseThorOptions dense() {
    DenseThorOptions options;
    options.in_channels = 24;
    options.out_channels = 5;
    options.weight_init = "he_normal";
    return options;
  }

  Conv2dThor conv1;
  BatchNorm2d norm;
  Conv2dThor conv2;
  DenseThor fc;
};

struct Outcome {
  std::vector<float> losses;
  std::vector<std::vector<float>> state;
};

Outcome run(int steps) {
  Generator rng(67);
  Net net(rng);
  ThorOptions options;
  options.learning_rate = 0.02;
  options.damping = 0.1;
  options.weight_decay = 0.001;
  options.frequency = 5;
  Thor thor(net, options);
  Outcome outcome;
  for (int step = 0; step < steps; ++step) {
    const Tensor x = normal({12, 3, 13, 14}, 0, 1, rng);
    std::vector<std::int64_t> labels;
    for (int i = 0; i < 12; ++i) {
      labels.push_back(static_cast<std::int64_t>(rng.below(5)));
    }
    thor.zero_grad();
    const Tensor loss =
        cross_entropy(net(x), Tensor::from<std::int64_t>(labels, {12}));
    loss.backward();
    thor.step();
    outcome.losses.push_back(loss.to_vector<float>()[0]);
  }
  for (const auto& [name, tensor] : net.state()) {
    outcome.state.push_back(tensor.to(DType::F32).to_vector<float>());
  }
  return outcome;
}

class Determinism : public ::testing::TestWithParam<int> {};

TEST_P(Determinism, FiftyStepsOfThorGiveTheSameBitsAgain) {
  const ScopedThreads threads(GetParam());
  const Outcome first = run(50);
  const Outcome second = run(50);
  EXPECT_EQ(first.losses, second.losses);
  ASSERT_EQ(first.state.size(), second.state.size());
  for (std::size_t i = 0; i < first.state.size(); ++i) {
    EXPECT_EQ(first.state[i], second.state[i]) << "tensor " << i;
  }
  for (const float loss : first.losses) ASSERT_LT(loss, 1e3f);  // nor NaN
}

INSTANTIATE_TEST_SUITE_P(Threads, Determinism, ::testing::Values(1, 2, 4));

}  // namespace
}  // namespace mjolnir::optim
