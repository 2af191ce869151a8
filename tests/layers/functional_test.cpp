#include <gmock/gmock.h>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/loss.h>
#include <mjolnir/core/ops/pool.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/conv2d.h>
#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/functional.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using testing::bit_equal;
using ::testing::HasSubstr;
using testing::message_of;
using testing::relative_error;
using testing::values_of;

struct Net : Module {
  Conv2d conv;
  BatchNorm2d norm;
  Dense head;
  explicit Net(Generator& rng)
      : conv(conv_options(), rng),
        norm(norm_options()),
        head(head_options(), rng) {
    add("conv", conv);
    add("norm", norm);
    add("head", head);
  }
  static Conv2dOptions conv_options() {
    Conv2dOptions options;
    options.in = 2;
    options.out = 4;
    options.kernel = Pair(3, 2);
    options.dtype = DType::F64;
    return options;
  }
  static BatchNorm2dOptions norm_options() {
    BatchNorm2dOptions options;
    options.channels = 4;
    options.dtype = DType::F64;
    return options;
  }
  static DenseOptions head_options() {
    DenseOptions options;
    options.in = 4;
    options.out = 3;
    options.dtype = DType::F64;
    return options;
  }
  Tensor operator()(const Tensor& x) override {
    return head(global_avg_pool(relu(norm(conv(x)))));
  }
};

std::vector<NamedTensor> random_like(const std::vector<NamedTensor>& named,
                                     Generator& rng) {
  std::vector<NamedTensor> drawn;
  for (const auto& [name, tensor] : named)
    drawn.emplace_back(name,
                       normal(tensor.shape(), 0, 1, rng, tensor.options()));
  return drawn;
}

TEST(FunctionalCall, RunsWithTheGivenParametersAndPutsTheOwnBack) {
  Generator rng(1);
  Net net(rng);
  net.eval();
  const Tensor x = testing::random_f64({2, 2, 5, 6}, rng);
  const Tensor before = net(x);
  const std::vector<NamedTensor> given =
      random_like(net.named_parameters(), rng);
  const Tensor y = functional_call(net, given, x);
  EXPECT_TRUE(bit_equal(net(x), before));
  Net other(rng);
  other.eval();
  std::vector<NamedTensor> state = given;
  for (const auto& buffer : net.named_buffers()) state.push_back(buffer);
  other.load_state(state);
  EXPECT_TRUE(bit_equal(y, other(x)));
  EXPECT_FALSE(bit_equal(y, before));
}

TEST(FunctionalCall, GradientsFlowToTheGivenTensors) {
  Generator rng(2);
  Net net(rng);
  net.eval();
  const Tensor x = testing::random_f64({2, 2, 5, 6}, rng);
  const Tensor scale = Tensor::scalar(0.5, DType::F64);
  scale.set_requires_grad(true);
  // The output is linear in the head's weight: d sum(y)/d scale is the sum of
  // what the weight contributes.
  const Tensor w = net.head.weight.detach();
  const Tensor y = functional_call(net, {{"head.weight", w * scale}}, x);
  sum(y).backward();
  const double whole =
      sum(functional_call(net, {{"head.weight", w}}, x)).item();
  const double none =
      sum(functional_call(net, {{"head.weight", w * 0}}, x)).item();
  EXPECT_NEAR(scale.grad().item(), whole - none, 1e-12);
  EXPECT_FALSE(net.head.weight.grad().defined());
  EXPECT_TRUE(net.head.bias.grad().defined());
}

TEST(FunctionalCall, PutsBackWhenTheModuleThrows) {
  Generator rng(3);
  Net net(rng);
  const Tensor weight = net.head.weight;
  EXPECT_THROW(functional_call(
                   net, {{"head.weight", Tensor::zeros({3, 4}, {DType::F64})}},
                   Tensor::zeros({1, 5, 5, 5}, {DType::F64})),
               Error);
  EXPECT_EQ(net.head.weight.impl(), weight.impl());
}

TEST(FunctionalCall, ReplacesASharedTensorUnderAllItsNames) {
  struct Tied : Module {
    Tensor a = Tensor::ones({2}, {DType::F64});
    Tensor b = a;
    Tied() {
      add("a", a);
      add("b", b);
    }
    Tensor operator()(const Tensor& x) override { return x * a + b; }
  };
  Tied tied;
  const Tensor x = testing::tensor({2, 5}, {2});
  const Tensor y =
      functional_call(tied, {{"a", testing::tensor({3, 4}, {2})}}, x);
  EXPECT_EQ(values_of(y), (std::vector<double>{9, 24}));
}

TEST(FunctionalCall, Refusals) {
  Generator rng(4);
  Net net(rng);
  const Tensor x = Tensor::zeros({1, 2, 5, 5}, {DType::F64});
  const Tensor right = Tensor::zeros({3}, {DType::F64});
  const auto call = [&](const std::vector<NamedTensor>& given) {
    functional_call(net, given, x);
  };
  EXPECT_THAT(message_of<ValueError>([&] {
                call({{"head.wait", right}});
              }),
              HasSubstr("\"head.wait\""));
  EXPECT_THROW(call({{"head.bias", right}, {"head.bias", right}}), ValueError);
  EXPECT_THROW(call({{"head.bias", Tensor::zeros({3})}}), ValueError);
  EXPECT_THROW(call({{"head.bias", Tensor()}}), ValueError);
  EXPECT_THROW(call({{"head.bias", Tensor::zeros({2}, {DType::F64})}}),
               ShapeError);
}

TEST(PerSampleGradients, AreTheGradientsOfSingleSamples) {
  Generator rng(5);
  Net net(rng);
  net.eval();
  net.norm.bias.set_requires_grad(false);
  Batch batch;
  batch.images = testing::random_f64({4, 2, 5, 6}, rng);
  batch.labels = Tensor::from(std::vector<std::int64_t>{2, 0, 1, 1}, {4});
  const auto gradients = per_sample_gradients(
      net,
      [](Module& model, const Batch& one) {
        return cross_entropy(model(one.images), one.labels);
      },
      batch);
  ASSERT_EQ(gradients.size(), 5u);
  // Oracle: the whole batch with a loss that only sample n contributes to.
  for (std::int64_t n = 0; n < 4; ++n) {
    net.zero_grad();
    CrossEntropyOptions options;
    options.reduction = Reduction::None;
    std::vector<double> pick(4, 0);
    pick[std::size_t(n)] = 1;
    sum(cross_entropy(net(batch.images), batch.labels, options) *
        testing::tensor(pick, {4}))
        .backward();
    std::size_t i = 0;
    for (const auto& [name, parameter] : net.named_parameters()) {
      if (!parameter.requires_grad()) continue;
      EXPECT_EQ(gradients[i].first, name);
      const std::vector<double> all = values_of(gradients[i].second);
      const auto size = std::ptrdiff_t(parameter.numel());
      const std::vector<double> own(all.begin() + n * size,
                                    all.begin() + (n + 1) * size);
      EXPECT_LE(relative_error(own, values_of(parameter.grad())), 1e-12)
          << name;
      ++i;
    }
  }
}

TEST(PerSampleGradients, LeaveGradientsAloneAndGiveZeroForTheUnused) {
  Generator rng(6);
  Net net(rng);
  net.eval();
  Batch batch;
  batch.images = testing::random_f64({2, 2, 4, 4}, rng);
  const auto gradients = per_sample_gradients(
      net,
      [](Module& model, const Batch& one) {
        auto& conv = dynamic_cast<Net&>(model).conv;
        return sum(conv(one.images));
      },
      batch);
  EXPECT_FALSE(net.conv.weight.grad().defined());
  for (const auto& [name, gradient] : gradients) {
    EXPECT_EQ(gradient.size(0), 2);
    double largest = 0;
    for (const double g : values_of(gradient))
      largest = std::max(largest, std::abs(g));
    EXPECT_EQ(largest > 0, name.rfind("conv.", 0) == 0) << name;
  }
}

TEST(PerSampleGradients, LeaveTheModelAsItWas) {
  Generator rng(8);
  Net net(rng);  // in training mode, where BatchNorm moves its statistics
  Batch batch;
  batch.images = testing::random_f64({3, 2, 4, 5}, rng);
  std::vector<Tensor> before;
  for (const auto& [name, tensor] : net.state()) {
    before.push_back(tensor.clone());
  }
  const void* const place = net.norm.running_mean.impl().get();
  std::vector<double> counts;
  per_sample_gradients(
      net,
      [&](Module& model, const Batch& one) {
        const Tensor loss = sum(model(one.images));
        counts.push_back(net.norm.num_batches_tracked.item());
        return loss;
      },
      batch);
  EXPECT_EQ(counts, std::vector<double>(3, 1));  // each sees the same model
  std::size_t i = 0;
  for (const auto& [name, tensor] : net.state()) {
    EXPECT_EQ(values_of(tensor.to(DType::F64)),
              values_of(before[i++].to(DType::F64)))
        << name;
  }
  EXPECT_EQ(net.norm.running_mean.impl().get(), place);
  const BatchLoss failing = [](Module& model, const Batch& one) -> Tensor {
    model(one.images);
    throw ValueError("no loss");
  };
  EXPECT_THROW(per_sample_gradients(net, failing, batch), ValueError);
  EXPECT_EQ(net.norm.running_mean.impl().get(), place);
}

TEST(PerSampleGradients, OfAConstantAreZero) {
  Generator rng(9);
  Net net(rng);
  Batch batch;
  batch.images = testing::random_f64({2, 2, 4, 5}, rng);
  const auto gradients = per_sample_gradients(
      net, [](Module&, const Batch&) { return Tensor::scalar(1, DType::F64); },
      batch);
  ASSERT_EQ(gradients.size(), net.named_parameters().size());
  for (const auto& [name, gradient] : gradients) {
    EXPECT_EQ(gradient.size(0), 2) << name;
    EXPECT_EQ(sum(abs(gradient)).item(), 0) << name;
  }
}

TEST(PerSampleGradients, AreRecordedInsideNoGradToo) {
  Generator rng(10);
  Net net(rng);
  net.eval();
  Batch batch;
  batch.images = testing::random_f64({2, 2, 4, 5}, rng);
  const BatchLoss loss = [](Module& model, const Batch& one) {
    return sum(model(one.images));
  };
  const auto expected = per_sample_gradients(net, loss, batch);
  const NoGrad guard;
  const auto gradients = per_sample_gradients(net, loss, batch);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(bit_equal(gradients[i].second, expected[i].second));
    EXPECT_FALSE(gradients[i].second.requires_grad());
  }
}

TEST(PerSampleGradients, Refusals) {
  Generator rng(7);
  Net net(rng);
  const BatchLoss loss = [](Module& model, const Batch& one) {
    return sum(model(one.images));
  };
  Batch batch;
  batch.images = Tensor::zeros({0, 2, 4, 4}, {DType::F64});
  EXPECT_THROW(per_sample_gradients(net, loss, batch), ValueError);
  batch.images = Tensor();
  EXPECT_THAT(
      message_of<ValueError>([&] { per_sample_gradients(net, loss, batch); }),
      HasSubstr("[per_sample_gradients]"));
  batch.images = Tensor::zeros({2, 2, 4, 4}, {DType::F64});
  const BatchLoss wide = [](Module& model, const Batch& one) {
    return model(one.images);
  };
  EXPECT_THAT(
      message_of<ShapeError>([&] { per_sample_gradients(net, wide, batch); }),
      HasSubstr("[per_sample_gradients] expected a loss of one "
                "element, got shape (1,3)"));
  batch.labels = Tensor::zeros({3}, {DType::I64});
  EXPECT_THROW(per_sample_gradients(net, loss, batch), ShapeError);
}

}  // namespace
}  // namespace mjolnir
