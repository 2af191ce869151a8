// Which layers Thor moves and how: embeddings, LayerNorm in parity mode,
// clones, layers it does not move; and clipping before it preconditions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/layers/embedding.h>
#include <mjolnir/layers/layer_norm.h>
#include <mjolnir/layers/sequential.h>
#include <mjolnir/models/resnet.h>
#include <mjolnir/models/to_thor.h>
#include <mjolnir/optim/adamw.h>
#include <mjolnir/optim/sgd.h>

#include "tests/curvature/listener.h"
#include "tests/optim/thor_data.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;
using ::testing::HasSubstr;

const TensorOptions f64{DType::F64, Layout::RowMajor};

template <class F>
std::string message_of(F&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

/** An embedding, or the dense layer whose one-hot inputs pick its rows. */
struct Table : Module {
  explicit Table(Generator& rng) : embedding(options(), rng) {
    add("embedding", embedding);
  }
  static EmbeddingOptions options() {
    EmbeddingOptions o;
    o.count = 5;
    o.size = 3;
    o.dtype = DType::F64;
    return o;
  }
  Embedding embedding;
};

struct OneHot : Module {
  explicit OneHot(Generator& rng) : dense(options(), rng) {
    add("dense", dense);
  }
  static DenseOptions options() {
    DenseOptions o;
    o.in = 5;
    o.out = 3;
    o.bias = false;
    o.dtype = DType::F64;
    return o;
  }
  Dense dense;
};

TEST(ThorEmbedding, IsADenseLayerOfOneHotInputs) {
  const std::vector<std::vector<std::int64_t>> batches = {
      {0, 3, 3, 4, 1, 3}, {2, 2, 0, 4, 4, 4}, {1, 1, 1, 1, 1, 0}};
  for (const DampingSplit split : {DampingSplit::Even, DampingSplit::Trace}) {
    for (const std::int64_t positions : {1, 2}) {
      Generator rng(7);
      Table table(rng);
      OneHot twin(rng);
      const Tensor& w = table.embedding.weight;
      twin.dense.weight.copy_from(transpose(w.detach(), 0, 1));
      models::to_thor(table);
      models::to_thor(twin);
      ThorOptions options = small_options();
      options.damping_split = split;
      options.running_average = 0.5;
      options.frequency = 2;
      Thor thor(table, options);
      Thor other(twin, options);
      ASSERT_EQ(thor.curvature().size(), 1U);
      const Tensor target = normal({6, 3}, 0, 1, rng, f64);
      for (const auto& ids : batches) {
        Doubles hot(30);
        for (std::size_t i = 0; i < 6; ++i)
          hot[i * 5 + std::size_t(ids[i])] = 1;
        const Shape shape{6 / positions, positions};
        const auto loss = [&](const Tensor& y) {
          const Tensor difference = reshape(y, {6, 3}) - target;
          return sum(difference * difference * difference) *
                 (1.0 / static_cast<double>(shape[0]));
        };
        thor.zero_grad();
        loss(table.embedding(Tensor::from<std::int64_t>(ids, shape)))
            .backward();
        thor.step();
        other.zero_grad();
        loss(twin.dense(Tensor::from<double>(hot, {shape[0], positions, 5})))
            .backward();
        other.step();
      }
      EXPECT_EQ(thor.refreshes(), 2);
      EXPECT_EQ(thor.curvature()[0].positions, double(positions));
      EXPECT_EQ(thor.inverse_a("embedding").shape(), (Shape{5}));
      const Doubles got = w.to_vector<double>();
      const Doubles want = twin.dense.weight.to_vector<double>();
      for (std::size_t i = 0; i < 15; ++i) {
        EXPECT_NEAR(got[i], want[i % 3 * 5 + i / 3], 1e-12);
      }
    }
  }
}

TEST(ThorEmbedding, AnIdThatNeverCameLeavesItsRowToWeightDecay) {
  Generator rng(8);
  Table table(rng);
  models::to_thor(table);
  ThorOptions options;
  options.learning_rate = 0.5;
  options.weight_decay = 0.25;
  options.damping = 0.0;
  Thor thor(table, options);
  const Doubles before = table.embedding.weight.to_vector<double>();
  thor.zero_grad();
  const Tensor ids = Tensor::from<std::int64_t>({0, 1, 2, 4}, {4});
  mean(exp(table.embedding(ids))).backward();
  thor.step();
  const Doubles after = table.embedding.weight.to_vector<double>();
  for (std::size_t i = 9; i < 12; ++i) {
    EXPECT_DOUBLE_EQ(after[i], before[i] * (1 - 0.125));
  }
  EXPECT_EQ(thor.curvature()[0].preconditioner, Preconditioner::Inverse);
}

/** A dense layer, which counts samples, and a LayerNorm behind it. */
struct Normed : Module {
  explicit Normed(Generator& rng) : dense(options(), rng), norm(shape()) {
    add("dense", dense);
    add("norm", norm);
  }
  Tensor operator()(const Tensor& x) override { return norm(dense(x)); }
  static DenseOptions options() {
    DenseOptions o;
    o.in = 2;
    o.out = 2;
    o.dtype = DType::F64;
    return o;
  }
  static LayerNormOptions shape() {
    LayerNormOptions o;
    o.shape = {2};
    o.dtype = DType::F64;
    return o;
  }
  Dense dense;
  LayerNorm norm;
};

/** What one step of rate 1 takes from the norm's weight and bias, for a batch
 * of 5 and gradients put in by hand. */
std::pair<Doubles, Doubles> norm_step(ThorStatistics statistics,
                                      double loss_scale, LossReduction loss) {
  Generator rng(9);
  Normed net(rng);
  models::to_thor(net);
  ThorOptions options;
  options.learning_rate = 1.0;
  options.momentum = 0.0;
  options.damping = 0.04;
  options.statistics = statistics;
  options.loss_scale = loss_scale;
  options.loss_reduction = loss;
  Thor thor(net, options);
  thor.zero_grad();
  sum(net(normal({5, 2}, 0, 1, rng, f64))).backward();
  const double unit = loss_scale * (loss == LossReduction::Sum ? 5.0 : 1.0);
  net.norm.weight.set_grad(Tensor::from<double>({2 * unit, -1 * unit}, {2}));
  net.norm.bias.set_grad(Tensor::from<double>({0 * unit, 0.5 * unit}, {2}));
  thor.step();
  Doubles weight = net.norm.weight.to_vector<double>();
  Doubles bias = net.norm.bias.to_vector<double>();
  for (double& w : weight) w = 1 - w;
  for (double& b : bias) b = 0 - b;
  return {weight, bias};
}

TEST(ThorLayerNorm, ParityDividesByItsOwnSquare) {
  for (const double scale : {1.0, 8.0}) {
    for (const auto loss : {LossReduction::Mean, LossReduction::Sum}) {
      const auto [weight, bias] =
          norm_step(ThorStatistics::MindSporeGpu, scale, loss);
      // g / (g^2 / 5 + 0.2): 2 / 1, -1 / 0.4, 0 / 0.2, 0.5 / 0.25
      EXPECT_NEAR(weight[0], 2.0, 1e-14);
      EXPECT_NEAR(weight[1], -2.5, 1e-14);
      EXPECT_EQ(bias[0], 0.0);
      EXPECT_NEAR(bias[1], 2.0, 1e-14);
      const auto [plain_weight, plain_bias] =
          norm_step(ThorStatistics::PerSample, scale, loss);
      EXPECT_NEAR(plain_weight[0], 2.0, 1e-14);
      EXPECT_NEAR(plain_weight[1], -1.0, 1e-14);
      EXPECT_NEAR(plain_bias[1], 0.5, 1e-14);
    }
  }
}

TEST(ThorLayerNorm, ParityNeedsToSeeTheBatch) {
  Sequential net;
  net.emplace<LayerNorm>(Normed::shape());
  ThorOptions options;
  options.statistics = ThorStatistics::MindSporeGpu;
  Thor thor(net, options);
  thor.zero_grad();
  sum(net(Tensor::ones({5, 2}, f64))).backward();
  EXPECT_THAT(message_of([&] { thor.step(); }),
              HasSubstr("MindSpore's rule for LayerNorm needs the number of "
                        "samples, but no layer with curvature saw any"));
}

TEST(ThorSum, NeedsALayerThatSeesTheSamples) {
  Sequential net;
  net.emplace<LayerNorm>(Normed::shape());
  ThorOptions options;
  options.loss_reduction = LossReduction::Sum;
  Thor thor(net, options);
  thor.zero_grad();
  sum(net(Tensor::ones({5, 2}, f64))).backward();
  EXPECT_THAT(message_of([&] { thor.step(); }),
              HasSubstr("[thor] a sum-reduced loss is divided by the number of "
                        "samples, but no layer with curvature saw any"));
  EXPECT_EQ(thor.steps(), 0);
}

TEST(ThorClip, BoundsTheGradientBeforeItIsPreconditioned) {
  const auto run = [](const GradientClip& clip, double loss_scale,
                      const std::function<void(ThorNet&)>& by_hand) {
    const auto net = make_net();
    ThorOptions options = small_options();
    options.loss_scale = loss_scale;
    options.clip = clip;
    Thor thor(*net, options);
    for (int step = 0; step < 3; ++step) {
      const Data data = random_data(4, static_cast<std::uint64_t>(step));
      thor.zero_grad();
      (cross_entropy((*net)(data.x), data.y) * loss_scale).backward();
      if (by_hand) by_hand(*net);
      thor.step();
    }
    return weights_of(*net);
  };
  const auto each = [](ThorNet& net, const std::function<double(double)>& f) {
    for (const Tensor& p : net.parameters()) {
      Doubles g = p.grad().to_vector<double>();
      for (double& v : g) v = f(v);
      p.set_grad(Tensor::from<double>(g, p.shape()).to(p.layout()));
    }
  };
  const auto clamp_by_hand = [&](ThorNet& net) {
    each(net, [](double v) { return std::min(0.01, std::max(-0.01, v)); });
  };
  const auto scale_by_hand = [&](ThorNet& net) {
    double square = 0.0;
    for (const Tensor& p : net.parameters()) {
      for (const double v : p.grad().to_vector<double>()) square += v * v;
    }
    const double norm = std::sqrt(square);
    ASSERT_GT(norm, 0.05);
    each(net, [norm](double v) { return v * 0.05 / (norm + 1e-6); });
  };
  const Doubles free = run({}, 1.0, {});
  const Doubles by_value = run({}, 1.0, clamp_by_hand);
  const Doubles by_norm = run({}, 1.0, scale_by_hand);
  const auto expect_close = [](const Doubles& got, const Doubles& want) {
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], want[i], 1e-12);
    }
  };
  for (const double scale : {1.0, 64.0}) {  // limits are in units of the loss
    expect_close(run(GradientClip::value(0.01), scale, {}), by_value);
    expect_close(run(GradientClip::norm(0.05), scale, {}), by_norm);
    expect_close(run(GradientClip::norm(1e3), scale, {}), free);
  }
  EXPECT_NE(free, by_value);
  EXPECT_NE(free, by_norm);
  ThorOptions bad;
  bad.clip = GradientClip::norm(0.0);
  const auto net = make_net();
  EXPECT_THROW(Thor(*net, bad), ValueError);
}

TEST(ThorClone, AModelThatWasConvertedStaysSecondOrder) {
  Generator rng(4);
  models::ResNetOptions options;
  options.depth = 8;
  options.width = 2;
  models::ResNet net(options, rng);
  const std::int64_t layers = models::to_thor(net).with_factors();
  const std::unique_ptr<Module> copy = net.clone();
  Listener listener;
  const Thor thor(*copy);
  EXPECT_EQ(std::int64_t(thor.curvature().size()), layers);
  EXPECT_TRUE(listener.events.empty());
}

/** Two modules that share a weight. */
struct Shared : Module {
  explicit Shared(Generator& rng)
      : first(options(), rng), second(options(), rng) {
    second.weight = first.weight;
    add("first", first);
    add("second", second);
  }
  Tensor operator()(const Tensor& x) override { return second(tanh(first(x))); }
  static DenseThorOptions options() {
    DenseThorOptions o;
    o.in_channels = 3;
    o.out_channels = 3;
    o.has_bias = false;
    o.dtype = DType::F64;
    return o;
  }
  DenseThor first;
  DenseThor second;
};

TEST(ThorShared, OnlyOneModuleOfASharedWeightCollects) {
  Generator rng(5);
  Shared net(rng);
  Listener listener;
  Thor thor(net, small_options());
  ASSERT_EQ(listener.events.size(), 1U);
  EXPECT_THAT(listener.events[0].message,
              HasSubstr("layer second is treated as first-order: its weight "
                        "belongs to layer first too"));
  EXPECT_EQ(net.first.factors()->collects(), Collect::Factors);
  EXPECT_EQ(net.second.factors()->collects(), Collect::Nothing);
  EXPECT_EQ(thor.named_parameters().size(), 1U);
  thor.zero_grad();
  mean(net(normal({4, 3}, 0, 1, rng, f64))).backward();
  thor.step();
  EXPECT_EQ(thor.refreshes(), 1);
}

// Fault 60: one state, one entry in the file, no double step.
TEST(SharedParameter, IsSteppedOnceAndSavedOnce) {
  const auto run = [](Module& net, const Tensor& weight, Optimizer& optimizer) {
    EXPECT_EQ(net.state().size(), 1U);
    EXPECT_EQ(net.state()[0].first, "first.weight");
    EXPECT_EQ(optimizer.named_parameters().size(), 1U);
    for (int step = 0; step < 3; ++step) {
      weight.set_grad(Tensor::full({3, 3}, 0.5 + step, f64));
      optimizer.step();
    }
    return weight.to_vector<double>();
  };
  SgdOptions sgd_options;
  sgd_options.learning_rate = 0.1;
  sgd_options.momentum = 0.9;
  Generator rng(6);
  Shared shared(rng);
  DenseThor alone(Shared::options(), rng);
  alone.weight.copy_from(shared.first.weight.detach());
  Sgd sgd(shared, sgd_options);
  Doubles moved = run(shared, shared.first.weight, sgd);
  ParameterGroup group;
  group.parameters = {{"weight", alone.weight}};
  Sgd reference({group}, sgd_options);
  for (int step = 0; step < 3; ++step) {
    alone.weight.set_grad(Tensor::full({3, 3}, 0.5 + step, f64));
    reference.step();
  }
  EXPECT_EQ(moved, alone.weight.to_vector<double>());
  // what was saved comes back under both names
  const std::vector<NamedTensor> saved{
      {"first.weight", shared.first.weight.detach().clone()}};
  shared.first.weight.fill(0);
  shared.load_state(saved);
  EXPECT_EQ(shared.second.weight.to_vector<double>(), moved);
}

// The window runs from zero_grad(), whoever optimizes.
TEST(ZeroGrad, OfEveryOptimizerOpensANewWindow) {
  Generator rng(7);
  const auto net = make_net();
  SgdOptions sgd_options;
  sgd_options.learning_rate = 0.01;
  Sgd sgd(*net, sgd_options);
  AdamW adamw(*net);
  for (Optimizer* optimizer : std::vector<Optimizer*>{&sgd, &adamw}) {
    for (int step = 0; step < 3; ++step) {
      train(*net, *optimizer, 1);
      EXPECT_EQ(net->conv1.factors()->sums().samples, 4);
      EXPECT_EQ(net->fc.factors()->sums().positions_a, 4);
    }
  }
}

}  // namespace
}  // namespace mjolnir::optim
