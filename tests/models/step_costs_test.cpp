// What a training step in its steady state asks for, counted: these counters
// do not depend on how busy the machine is, so that a change of them is a
// change of the code. Where one falls, lower its figure here.
#include <gtest/gtest.h>

#include <mjolnir/core/allocator.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/ops/loss.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/models/lenet5.h>
#include <mjolnir/models/mlp.h>
#include <mjolnir/models/resnet.h>
#include <mjolnir/optim/sgd.h>

#include "core/kernels/onednn.h"
#include "tests/support/operator_new.h"

namespace mjolnir {
namespace {

struct Costs {
  std::int64_t heap = 0;         ///< Calls of operator new.
  std::int64_t misses = 0;       ///< Tensors that asked the system for memory.
  std::int64_t primitives = 0;   ///< Made by oneDNN.
  std::int64_t conversions = 0;  ///< Tensors copied into another order.
  std::int64_t kept = 0;         ///< Bytes that wait for backward.
};

Costs counters() {
  Costs now;
  now.heap = testing::operator_new_calls();
  now.misses = allocator_statistics().misses;
  now.primitives = kernels::onednn::primitive_creation_count();
  now.conversions = layout_conversion_count();
  return now;
}

std::int64_t bytes_in_use() {
  return static_cast<std::int64_t>(allocator_statistics().in_use);
}

// The costs of a step after four others.
Costs costs_of(Module& net, const Shape& images) {
  Generator rng(1);
  const Tensor x =
      normal(images, 0, 1, rng, {DType::F32, Layout::ChannelsLast});
  const Tensor labels = Tensor::zeros({images[0]}, {DType::I64});
  optim::Sgd sgd(net, {});
  Costs costs;
  for (int step = 0; step < 5; ++step) {
    const Costs before = counters();
    sgd.zero_grad();
    const std::int64_t bytes = bytes_in_use();
    const Tensor loss = cross_entropy(net(x), labels);
    costs.kept = bytes_in_use() - bytes;
    loss.backward();
    sgd.step();
    const Costs after = counters();
    costs.heap = after.heap - before.heap;
    costs.misses = after.misses - before.misses;
    costs.primitives = after.primitives - before.primitives;
    costs.conversions = after.conversions - before.conversions;
  }
  return costs;
}

class StepCosts : public ::testing::Test {
 protected:
  void SetUp() override { set_num_threads(2); }
  void TearDown() override { set_num_threads(threads_); }

 private:
  int threads_ = num_threads();
};

// oneDNN's own requests are in the count, those of version 2.6.3.
std::int64_t heap(std::int64_t with_onednn, std::int64_t without) {
  return has_onednn() ? with_onednn : without;
}

void expect_within(const Costs& costs, const Costs& bound) {
  EXPECT_LE(costs.heap, bound.heap);
  EXPECT_EQ(costs.misses, 0);
  EXPECT_EQ(costs.primitives, 0);
  EXPECT_EQ(costs.conversions, bound.conversions);
  EXPECT_EQ(costs.kept, bound.kept);
}

TEST_F(StepCosts, OfResNet20) {
  Generator rng(1);
  models::ResNet net({}, rng);
  Costs bound;
  bound.heap = heap(2838, 1172);
  bound.kept = 1570304;
  expect_within(costs_of(net, {4, 3, 16, 16}), bound);
}

TEST_F(StepCosts, OfLeNet5) {
  Generator rng(1);
  models::LeNet5 net({}, rng);
  Costs bound;
  bound.heap = heap(426, 287);
  bound.conversions = 2;  // the pooled images, flattened, and back
  bound.kept = 386944;
  expect_within(costs_of(net, {8, 1, 28, 28}), bound);
}

TEST_F(StepCosts, OfAPerceptron) {
  Generator rng(1);
  models::MlpOptions options;
  options.width = 32;
  options.depth = 1;
  models::Mlp net(options, rng);
  Costs bound;
  bound.heap = heap(125, 123);
  bound.kept = 5440;
  expect_within(costs_of(net, {32, 1, 28, 28}), bound);
}

}  // namespace
}  // namespace mjolnir
