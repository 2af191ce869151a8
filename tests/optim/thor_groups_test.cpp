// Grouped convolutions and joint biases: each against a net that says the same
// in other words.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/ops.h>
#include <mjolnir/optim/kfac.h>
#include <mjolnir/optim/thor.h>

#include "tests/optim/thor_net.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;

Conv2dThorOptions conv_options(std::int64_t in, std::int64_t out,
                               std::int64_t group) {
  Conv2dThorOptions o;
  o.in_channels = in;
  o.out_channels = out;
  o.kernel_size = {3, 2};
  o.stride = {1, 2};
  o.pad_mode = PadMode::Pad;
  o.padding = {1, 0, 0, 2};
  o.dilation = {2, 1};
  o.group = group;
  o.dtype = DType::F64;
  o.weight_init = "he_normal";
  return o;
}

struct Grouped : Module {
  Grouped(std::int64_t in, std::int64_t out, std::int64_t group, Generator& rng)
      : conv(conv_options(in, out, group), rng) {
    add("conv", conv);
  }
  Tensor operator()(const Tensor& x) override { return tanh(conv(x)); }
  Conv2dThor conv;
};

/** The groups as convolutions of their own, over their share of the channels.
 */
struct Apart : Module {
  Apart(std::int64_t in, std::int64_t out, std::int64_t group, Generator& rng)
      : channels(in / group) {
    for (std::int64_t g = 0; g < group; ++g) {
      convs.push_back(std::make_unique<Conv2dThor>(
          conv_options(in / group, out / group, 1), rng));
      add("conv" + std::to_string(g), *convs.back());
    }
  }
  Tensor operator()(const Tensor& x) override {
    std::vector<Tensor> parts;
    for (std::size_t g = 0; g < convs.size(); ++g) {
      const auto first = static_cast<std::int64_t>(g) * channels;
      parts.push_back((*convs[g])(slice(x, 1, first, first + channels)));
    }
    return tanh(concat(parts, 1));
  }
  std::int64_t channels;
  std::vector<std::unique_ptr<Conv2dThor>> convs;
};

struct Sizes {
  std::int64_t in, out, group;
};

class ThorGroups : public ::testing::TestWithParam<Sizes> {
 protected:
  ThorGroups() {
    const auto [in, out, group] = GetParam();
    Generator rng(5);
    grouped = std::make_unique<Grouped>(in, out, group, rng);
    apart = std::make_unique<Apart>(in, out, group, rng);
    for (std::int64_t g = 0; g < group; ++g) {
      apart->convs[static_cast<std::size_t>(g)]->weight.copy_from(slice(
          grouped->conv.weight, 0, g * out / group, (g + 1) * out / group));
    }
  }
  static Tensor batch(int step) {
    Generator rng(static_cast<std::uint64_t>(50 + step));
    return normal({3, GetParam().in, 6, 5}, 0, 1, rng,
                  {DType::F64, Layout::RowMajor});
  }
  static void train(Module& net, Optimizer& optimizer, int steps) {
    for (int step = 0; step < steps; ++step) {
      optimizer.zero_grad();
      const Tensor y = net(batch(step));
      mean(y * y * y + y).backward();
      optimizer.step();
    }
  }
  void expect_equal_weights(double tolerance) const {
    const Doubles got = weights_of(*grouped), want = weights_of(*apart);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], want[i], tolerance) << i;
    }
  }

  std::unique_ptr<Grouped> grouped;
  std::unique_ptr<Apart> apart;
};

TEST_P(ThorGroups, HaveTheFactorsOfConvolutionsOfTheirOwn) {
  for (Module* net : {static_cast<Module*>(grouped.get()),
                      static_cast<Module*>(apart.get())}) {
    const Tensor y = (*net)(batch(0));
    mean(y * y).backward();
  }
  const auto [in, out, group] = GetParam();
  const std::int64_t d = in / group * 6, o = out / group;
  const Tensor a = grouped->conv.matrix_a();
  const Tensor g = grouped->conv.matrix_g();
  ASSERT_EQ(a.shape(), (Shape{group, d, d}));
  ASSERT_EQ(g.shape(), (Shape{group, o, o}));
  const FactorSums& sums = grouped->conv.factors()->sums();
  for (std::int64_t i = 0; i < group; ++i) {
    const Conv2dThor& conv = *apart->convs[static_cast<std::size_t>(i)];
    const auto near = [](const Tensor& x, const Tensor& y) {
      const Doubles got = x.to_vector<double>(), want = y.to_vector<double>();
      ASSERT_EQ(got.size(), want.size());
      for (std::size_t k = 0; k < got.size(); ++k) {
        ASSERT_NEAR(got[k], want[k], 1e-13);
      }
    };
    near(slice(a, 0, i, i + 1), conv.matrix_a());
    near(slice(g, 0, i, i + 1), conv.matrix_g());
    const auto at = static_cast<std::size_t>(i);
    const FactorSums& own = conv.factors()->sums();
    EXPECT_NEAR(sums.traces_a[at], own.traces_a[0], 1e-11);
    EXPECT_NEAR(sums.traces_g[at], own.traces_g[0], 1e-13);
  }
}

TEST_P(ThorGroups, StepAsConvolutionsOfTheirOwn) {
  for (const DampingSplit split : {DampingSplit::Even, DampingSplit::Trace}) {
    ThorOptions o;
    o.learning_rate = 0.05;
    o.damping = 0.01;
    o.frequency = 2;
    o.damping_split = split;
    o.running_average = 0.5;
    o.split_dim = 5;
    Thor one(*grouped, o), many(*apart, o);
    train(*grouped, one, 6);
    train(*apart, many, 6);
    expect_equal_weights(1e-12);
    const auto group = static_cast<std::size_t>(GetParam().group);
    ASSERT_EQ(one.curvature().size(), group);
    EXPECT_EQ(one.curvature().back().group, GetParam().group - 1);
    EXPECT_EQ(one.inverse_a("conv").shape().rank(), 3U);
    EXPECT_EQ(one.refreshes(), many.refreshes());
  }
}

TEST_P(ThorGroups, AreStatisticsOfTheBatchMeanInParityToo) {
  ThorOptions o;
  o.learning_rate = 0.05;
  o.damping = 0.1;
  o.frequency = 2;
  o.statistics = ThorStatistics::MindSporeGpu;
  Thor one(*grouped, o), many(*apart, o);
  train(*grouped, one, 4);
  train(*apart, many, 4);
  expect_equal_weights(1e-12);
}

TEST_P(ThorGroups, TheTraceRuleAddsUpTheGroups) {
  ThorOptions o;
  o.frequency = 2;
  o.refresh_rule = RefreshRule::trace(1e9, 0.0);
  Thor one(*grouped, o), many(*apart, o);
  train(*grouped, one, 1);
  train(*apart, many, 1);
  double sum = 0.0;
  for (const RefreshDecision& d : many.decisions()) sum += d.trace.trace;
  ASSERT_EQ(one.decisions().size(), 1U);
  EXPECT_NEAR(one.decisions()[0].trace.trace, sum, 1e-12 * sum);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ThorGroups,
                         ::testing::Values(Sizes{4, 6, 2}, Sizes{6, 3, 3},
                                           Sizes{5, 5, 5}, Sizes{4, 8, 4}));

/** Dense layers with joint biases, or with a constant input instead. */
struct Biased : Module {
  Biased(bool constant_input, Generator& rng)
      : constant_input(constant_input),
        hidden(options(4, 5, constant_input), rng),
        last(options(5, 3, constant_input), rng) {
    add("hidden", hidden);
    add("last", last);
  }
  static DenseThorOptions options(std::int64_t in, std::int64_t out,
                                  bool constant_input) {
    DenseThorOptions o;
    o.in_channels = constant_input ? in + 1 : in;
    o.out_channels = out;
    o.has_bias = !constant_input;
    o.joint_bias = !constant_input;
    o.weight_init = "he_normal";
    o.dtype = DType::F64;
    return o;
  }
  Tensor widened(const Tensor& x) const {
    if (!constant_input) return x;
    const Shape shape = x.shape().with(x.rank() - 1, 1);
    return concat({x, Tensor::full(shape, 1.0, {x.dtype()})}, -1);
  }
  Tensor operator()(const Tensor& x) override {
    return last(widened(tanh(hidden(widened(x)))));
  }
  bool constant_input;
  DenseThor hidden, last;
};

/** wide (O,I+1) = [weight, bias] */
void copy_joined(const DenseThor& from, const DenseThor& to) {
  to.weight.copy_from(
      concat({from.weight.detach(), reshape(from.bias.detach(), {-1, 1})}, 1));
}

TEST(ThorJointBias, IsTheWeightOfAConstantInput) {
  for (const DampingSplit split : {DampingSplit::Even, DampingSplit::Trace}) {
    for (const bool sequence : {false, true}) {
      Generator rng(8);
      Biased joint(false, rng), constant(true, rng);
      copy_joined(joint.hidden, constant.hidden);
      copy_joined(joint.last, constant.last);
      ThorOptions o;
      o.learning_rate = 0.1;
      o.damping = 0.02;
      o.weight_decay = 0.01;
      o.frequency = 2;
      o.damping_split = split;
      o.running_average = 0.3;
      o.split_dim = 4;
      Thor one(joint, o), other(constant, o);
      for (int step = 0; step < 6; ++step) {
        Generator data(static_cast<std::uint64_t>(60 + step));
        const Tensor x = normal(sequence ? Shape{5, 2, 4} : Shape{5, 4}, 0, 1,
                                data, {DType::F64, Layout::RowMajor});
        for (auto [net, thor] :
             {std::pair<Module*, Thor*>{&joint, &one},
              std::pair<Module*, Thor*>{&constant, &other}}) {
          thor->zero_grad();
          const Tensor y = (*net)(x);
          mean(y * y * y + y).backward();
          thor->step();
        }
      }
      Biased copy(true, rng);
      copy_joined(joint.hidden, copy.hidden);
      copy_joined(joint.last, copy.last);
      const Doubles got = weights_of(copy), want = weights_of(constant);
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_NEAR(got[i], want[i], 1e-12) << i;
      }
      const Doubles a = one.inverse_a("hidden").to_vector<double>();
      const Doubles b = other.inverse_a("hidden").to_vector<double>();
      ASSERT_EQ(a.size(), 25U);
      for (std::size_t i = 0; i < a.size(); ++i) {
        ASSERT_NEAR(a[i], b[i], 1e-9);
      }
    }
  }
}

TEST(ThorJointBias, OfAConvolutionCountsTheConstantOncePerPosition) {
  Generator rng(9);
  Conv2dThorOptions o = conv_options(4, 6, 2);
  o.has_bias = true;
  Conv2dThor conv(o, rng);
  conv.enable_factors(
      std::make_shared<KroneckerObserver>(Collect::Factors, true));
  const Tensor x =
      normal({3, 4, 6, 5}, 0, 1, rng, {DType::F64, Layout::RowMajor});
  sum(tanh(conv(x))).backward();
  const Tensor a = conv.matrix_a();
  ASSERT_EQ(a.shape(), (Shape{2, 13, 13}));
  // The same from a convolution without bias whose input has one more channel
  // per group, 1 everywhere: the mean patch is what its border-free cells show.
  const Doubles values = a.to_vector<double>();
  const Conv2dGeometry w = conv.window(6, 5);
  const Doubles pixels = x.to_vector<double>();
  const std::int64_t out_h = w.out_h(6), out_w = w.out_w(5);
  for (std::int64_t g = 0; g < 2; ++g) {
    std::size_t column = 0;
    for (std::int64_t c = 2 * g; c < 2 * g + 2; ++c) {
      for (std::int64_t i = 0; i < 3; ++i) {
        for (std::int64_t j = 0; j < 2; ++j, ++column) {
          double sum = 0.0;
          for (std::int64_t n = 0; n < 3; ++n) {
            for (std::int64_t p = 0; p < out_h; ++p) {
              for (std::int64_t q = 0; q < out_w; ++q) {
                const std::int64_t h = p - 1 + 2 * i, v = 2 * q + j;
                if (h < 0 || h >= 6 || v < 0 || v >= 5) continue;
                sum += pixels[static_cast<std::size_t>(
                    ((n * 4 + c) * 6 + h) * 5 + v)];
              }
            }
          }
          const double mean = sum / static_cast<double>(3 * out_h * out_w);
          const auto at = static_cast<std::size_t>(g) * 169;
          ASSERT_NEAR(values[at + 12 * 13 + column], mean, 1e-13);
          ASSERT_NEAR(values[at + column * 13 + 12], mean, 1e-13);
        }
      }
    }
    EXPECT_EQ(values[static_cast<std::size_t>(g) * 169 + 168], 1.0);
  }
}

TEST(ThorJointBias, AFrozenBiasStaysAndTheWeightStillMoves) {
  Generator rng(8);
  Biased net(false, rng);
  ThorOptions o;
  o.frequency = 1;
  Thor thor(net, o);
  net.hidden.bias.set_requires_grad(false);
  const Doubles bias = net.hidden.bias.to_vector<double>();
  const Doubles weight = net.hidden.weight.to_vector<double>();
  Generator data(3);
  const Tensor x = normal({5, 4}, 0, 1, data, {DType::F64, Layout::RowMajor});
  thor.zero_grad();
  mean(net(x) * net(x)).backward();
  thor.step();
  EXPECT_EQ(net.hidden.bias.to_vector<double>(), bias);
  EXPECT_NE(net.hidden.weight.to_vector<double>(), weight);
}

/** Two dense layers with one bias. */
struct OneBias : Module {
  explicit OneBias(Generator& rng)
      : first(Biased::options(4, 4, false), rng),
        second(Biased::options(4, 4, false), rng) {
    second.bias = first.bias;
    add("first", first);
    add("second", second);
  }
  Tensor operator()(const Tensor& x) override { return second(tanh(first(x))); }
  DenseThor first, second;
};

TEST(ThorJointBias, OfTwoLayersJoinsTheFirstAlone) {
  Generator rng(8);
  OneBias net(rng);
  Thor thor(net, ThorOptions());
  const auto layers = thor.curvature();
  ASSERT_EQ(layers.size(), 2U);
  EXPECT_TRUE(layers[0].joint_bias);
  EXPECT_FALSE(layers[1].joint_bias);
  const Tensor x = normal({5, 4}, 0, 1, rng, {DType::F64, Layout::RowMajor});
  thor.zero_grad();
  mean(net(x) * net(x)).backward();
  thor.step();
  EXPECT_EQ(thor.refreshes(), 2);
}

TEST(ThorJointBias, NeedsABias) {
  Generator rng(1);
  DenseThorOptions o;
  o.in_channels = 2;
  o.out_channels = 2;
  o.has_bias = false;
  o.joint_bias = true;
  EXPECT_THROW(DenseThor(o, rng), ValueError);
}

}  // namespace
}  // namespace mjolnir::optim
