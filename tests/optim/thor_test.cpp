#include <mjolnir/optim/thor.h>

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <mjolnir/core/allocator.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/layers/sequential.h>
#include <mjolnir/optim/sgd.h>

#include "tests/optim/thor_data.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;

void expect_close(const Doubles& x, const Doubles& y, double tolerance) {
  ASSERT_EQ(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_NEAR(x[i], y[i], tolerance) << "element " << i;
  }
}

// Fault 44.
TEST(Thor, WithIdentityInversesItIsSgdBitForBit) {
  for (const DType dtype : {DType::F32, DType::F64}) {
    for (const bool nesterov : {false, true}) {
      const auto net = make_net(dtype);
      const auto twin = make_net(dtype);
      ThorOptions options;
      options.learning_rate = 0.05;
      options.momentum = 0.9;
      options.weight_decay = 0.01;
      options.nesterov = nesterov;
      options.frequency = 1000;
      Thor thor(*net, options);
      SgdOptions sgd_options;
      sgd_options.learning_rate = 0.05;
      sgd_options.momentum = 0.9;
      sgd_options.weight_decay = 0.01;
      sgd_options.nesterov = nesterov;
      Sgd sgd(*twin, sgd_options);
      const auto identity = [dtype](std::int64_t n) {
        const Tensor matrix = Tensor::zeros({n, n}, {DType::F64});
        for (std::int64_t i = 0; i < n; ++i) {
          matrix.mutable_data<double>()[i * n + i] = 1.0;
        }
        return matrix.to(dtype);
      };
      thor.set_inverses("conv1", identity(18), identity(4), 1.0);
      thor.set_inverses("conv2", identity(24), identity(5), 1.0);
      thor.set_inverses("fc", identity(5), identity(3), 1.0);
      train(*net, thor, 100, 1.0, dtype);
      train(*twin, sgd, 100, 1.0, dtype);
      EXPECT_EQ(weights_of(*net), weights_of(*twin));
      EXPECT_EQ(thor.refreshes(), 0);
    }
  }
}

TEST(Thor, RunsTwiceWithTheSameBits) {
  const auto run = [] {
    const auto net = make_net(DType::F32);
    Thor thor(*net, small_options());
    train(*net, thor, 6, 1.0, DType::F32);
    return weights_of(*net);
  };
  EXPECT_EQ(run(), run());
}

TEST(Thor, TheLossScaleChangesNothing) {
  const auto run = [](double scale, ThorStatistics statistics) {
    const auto net = make_net();
    ThorOptions options = small_options();
    options.loss_scale = scale;
    options.statistics = statistics;
    options.kl_clip = 1e-4;
    Thor thor(*net, options);
    train(*net, thor, 5, scale);
    return weights_of(*net);
  };
  for (const auto statistics :
       {ThorStatistics::PerSample, ThorStatistics::MindSporeGpu}) {
    const Doubles plain = run(1.0, statistics);
    EXPECT_EQ(run(1024.0, statistics), plain);  // a power of two rounds nothing
    expect_close(run(100.0, statistics), plain, 1e-10);
  }
}

TEST(Thor, TwoMicroBatchesEqualTheWholeBatch) {
  const auto run = [](const std::vector<std::int64_t>& cuts) {
    const auto net = make_net();
    Thor thor(*net, small_options());
    for (int step = 0; step < 3; ++step) {
      const Data data = random_data(6, static_cast<std::uint64_t>(step));
      thor.zero_grad();
      for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
        const Data some = part(data, cuts[i], cuts[i + 1]);
        const double share = static_cast<double>(cuts[i + 1] - cuts[i]) / 6.0;
        (cross_entropy((*net)(some.x), some.y) * share).backward();
      }
      thor.step();
    }
    return weights_of(*net);
  };
  const Doubles whole = run({0, 6});
  expect_close(run({0, 3, 6}), whole, 1e-11);
  expect_close(run({0, 1, 4, 6}), whole, 1e-11);
}

TEST(Thor, RepeatingEverySampleChangesNothing) {
  const auto run = [](bool twice) {
    const auto net = make_net();
    Thor thor(*net, small_options());
    for (int step = 0; step < 3; ++step) {
      const Data data = random_data(4, static_cast<std::uint64_t>(step));
      const Tensor x = twice ? concat({data.x, data.x}, 0) : data.x;
      const Tensor y = twice ? concat({data.y, data.y}, 0) : data.y;
      thor.zero_grad();
      cross_entropy((*net)(x), y).backward();
      thor.step();
    }
    return weights_of(*net);
  };
  expect_close(run(true), run(false), 1e-11);
}

TEST(Thor, ASumReducedLossGivesTheStepsOfItsMean) {
  const auto run = [](LossReduction reduction, double scale) {
    const auto net = make_net();
    ThorOptions options = small_options();
    options.loss_reduction = reduction;
    options.loss_scale = scale;
    Thor thor(*net, options);
    CrossEntropyOptions loss;
    loss.reduction =
        reduction == LossReduction::Sum ? Reduction::Sum : Reduction::Mean;
    for (int step = 0; step < 5; ++step) {
      const Data data = random_data(4, static_cast<std::uint64_t>(step));
      thor.zero_grad();
      (cross_entropy((*net)(data.x), data.y, loss) * scale).backward();
      thor.step();
    }
    return weights_of(*net);
  };
  const Doubles mean = run(LossReduction::Mean, 1.0);
  expect_close(run(LossReduction::Sum, 1.0), mean, 1e-11);
  expect_close(run(LossReduction::Sum, 16.0), mean, 1e-11);
}

// Fault 45: for one datum, T = 1, the block is the Fisher matrix itself.
TEST(Thor, TheBlockOfOneDatumIsItsFisherMatrix) {
  Generator rng(5);
  DenseThorOptions dense;
  dense.in_channels = 4;
  dense.out_channels = 3;
  dense.dtype = DType::F64;
  DenseThor layer(dense, rng);
  layer.collect(Collect::Factors);
  const Tensor x = normal({1, 4}, 0, 1, rng, {DType::F64});
  cross_entropy(layer(x), Tensor::from<std::int64_t>({2}, {1})).backward();
  const Doubles g = layer.matrix_g().to_vector<double>();
  const Doubles a = layer.matrix_a().to_vector<double>();
  const Doubles dw = layer.weight.grad().to_vector<double>();
  for (std::size_t i = 0; i < 12; ++i) {
    for (std::size_t j = 0; j < 12; ++j) {
      const double block = g[i / 4 * 3 + j / 4] * a[i % 4 * 4 + j % 4];
      EXPECT_NEAR(block, dw[i] * dw[j], 1e-14);
    }
  }
}

TEST(Thor, CollectsAtLooksOnly) {
  const auto net = make_net();
  ThorOptions options = small_options();
  options.frequency = 3;
  Thor thor(*net, options);
  std::vector<long> refreshes;
  std::vector<bool> collected;
  for (int step = 0; step < 7; ++step) {
    collected.push_back(net->conv1.factors()->collecting());
    train(*net, thor, 1);
    refreshes.push_back(thor.refreshes());
  }
  EXPECT_EQ(collected,
            (std::vector<bool>{true, false, false, true, false, false, true}));
  EXPECT_EQ(refreshes, (std::vector<long>{3, 3, 3, 6, 6, 6, 9}));
  const auto layers = thor.curvature();
  ASSERT_EQ(layers.size(), 3U);
  EXPECT_EQ(layers[0].name, "conv1");
  EXPECT_EQ(layers[0].last_refresh, 6);
  EXPECT_EQ(layers[0].positions, 30.0);
  EXPECT_EQ(layers[2].positions, 1.0);
  EXPECT_GT(layers[1].mean_a, 0.0);
}

TEST(Thor, ReportsHowFarItTurnsTheGradient) {
  const auto net = make_net();
  ThorOptions options = small_options();
  options.damping = 1e12;  // nothing but damping: the gradient's direction
  Thor drowned(*net, options);
  train(*net, drowned, 1);
  for (const LayerCurvature& layer : drowned.curvature()) {
    EXPECT_NEAR(layer.cosine, 1.0, 1e-5) << layer.name;
  }
  options.damping = 1e-3;
  options.momentum = 0.0;
  options.weight_decay = 0.0;
  Thor thor(*net, options);
  const Data data = random_data(4, 5);
  const Doubles before = net->conv2.weight.to_vector<double>();
  thor.zero_grad();
  cross_entropy((*net)(data.x), data.y).backward();
  const Doubles g = net->conv2.weight.grad().to_vector<double>();
  thor.step();
  const Doubles after = net->conv2.weight.to_vector<double>();
  double gg = 0.0, dd = 0.0, gd = 0.0;
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double d = before[i] - after[i];
    gg += g[i] * g[i];
    dd += d * d;
    gd += g[i] * d;
  }
  const double cosine = thor.curvature()[1].cosine;
  EXPECT_NEAR(cosine, gd / std::sqrt(gg * dd), 1e-9);
  EXPECT_LT(cosine, 0.9);
  EXPECT_GT(cosine, 0.0);
}

// Fault 46, its fixed rule: between refreshes the inverse is the same bits.
TEST(Thor, KeepsItsInversesBetweenRefreshes) {
  const auto net = make_net();
  ThorOptions options = small_options();
  options.frequency = 3;
  Thor thor(*net, options);
  std::vector<Doubles> inverses;
  for (int step = 0; step < 4; ++step) {
    train(*net, thor, 1);
    inverses.push_back(thor.inverse_a("conv2").to_vector<double>());
  }
  EXPECT_EQ(inverses[1], inverses[0]);
  EXPECT_EQ(inverses[2], inverses[0]);
  EXPECT_NE(inverses[3], inverses[0]);
}

// From the second plain step and the second refresh on.
TEST(Thor, AsksTheSystemForNoMemoryOnceWarm) {
  const auto net = make_net(DType::F32);
  ThorOptions options = small_options();
  options.frequency = 3;
  options.running_average = 0.9;
  Thor thor(*net, options);
  train(*net, thor, 2, 1.0, DType::F32);
  const std::int64_t before = allocator_statistics().misses;
  train(*net, thor, 20, 1.0, DType::F32);
  EXPECT_EQ(allocator_statistics().misses, before);
}

TEST(Thor, ALayerWithoutGradientIsSkippedAndCatchesUp) {
  const auto net = make_net();
  const auto start = weights_of(*net);
  ThorOptions options = small_options();
  options.frequency = 100;
  Thor thor(*net, options);
  const Data data = random_data(4, 1);
  // conv1 alone has a gradient in the first step
  thor.zero_grad();
  mean(net->conv1(data.x)).backward();
  thor.step();
  EXPECT_EQ(thor.refreshes(), 1);
  EXPECT_EQ(thor.curvature()[1].preconditioner, Preconditioner::None);
  const Doubles fc(start.end() - 18, start.end());
  const Doubles now = weights_of(*net);
  EXPECT_EQ(Doubles(now.end() - 18, now.end()), fc);
  train(*net, thor, 1);
  EXPECT_EQ(thor.refreshes(), 3);
  train(*net, thor, 1);
  EXPECT_EQ(thor.refreshes(), 3);
}

TEST(Thor, AFrozenLayerCollectsNothingUntilItThaws) {
  const auto net = make_net();
  ThorOptions options = small_options();
  options.frequency = 1;
  Thor thor(*net, options);
  net->conv1.freeze();
  train(*net, thor, 2);
  EXPECT_FALSE(net->conv1.factors()->collecting());
  EXPECT_EQ(thor.curvature()[0].refreshes, 0);
  net->conv1.freeze(false);
  const Doubles before = net->conv1.weight.to_vector<double>();
  train(*net, thor, 1);  // zero_grad() notices
  EXPECT_NE(net->conv1.weight.to_vector<double>(), before);
  EXPECT_EQ(thor.curvature()[0].refreshes, 1);
  EXPECT_EQ(thor.curvature()[0].ladder.skipped, 0);
}

TEST(Thor, ALayerThatThawsWithinAStepCollectsInTheNextOne) {
  const auto net = make_net();
  ThorOptions options = small_options();
  options.frequency = 100;
  net->conv1.freeze();
  Thor thor(*net, options);
  const Data data = random_data(4, 1);
  thor.zero_grad();
  net->conv1.freeze(false);
  const Doubles before = net->conv1.weight.to_vector<double>();
  cross_entropy((*net)(data.x), data.y).backward();
  thor.step();  // nothing to precondition with yet
  EXPECT_EQ(net->conv1.weight.to_vector<double>(), before);
  EXPECT_EQ(thor.curvature()[0].ladder.skipped, 1);
  train(*net, thor, 1);
  EXPECT_NE(net->conv1.weight.to_vector<double>(), before);
  EXPECT_EQ(thor.curvature()[0].refreshes, 1);
}

TEST(Thor, TheDecayFilterAndAGroupsOwnDecayAreSgds) {
  // a damping that drowns the factors: g' = g / (T s^2) = g / lambda
  const double lambda = 1e12;
  const auto run = [&](bool with_decay, Doubles& fc, Doubles& bias) {
    const auto net = make_net();
    ParameterGroup convolutions, rest;
    for (const auto& entry : net->named_parameters()) {
      (entry.first.substr(0, 2) == "fc" ? rest : convolutions)
          .parameters.push_back(entry);
    }
    rest.weight_decay = with_decay ? 0.25 : 0.0;
    ThorOptions options;
    options.learning_rate = 1.0;
    options.damping = lambda;
    options.momentum = 0.0;
    options.weight_decay = 0.0;
    options.decay_filter = [](const std::string& name, const Tensor&) {
      return name.find("bias") == std::string::npos;
    };
    Thor thor(*net, {convolutions, rest}, options);
    train(*net, thor, 1);
    fc = net->fc.weight.to_vector<double>();
    bias = net->fc.bias.to_vector<double>();
  };
  Doubles fc, bias, plain_fc, plain_bias;
  run(true, fc, bias);
  run(false, plain_fc, plain_bias);
  const Doubles start = make_net()->fc.weight.to_vector<double>();
  for (std::size_t i = 0; i < fc.size(); ++i) {
    EXPECT_NEAR(fc[i], plain_fc[i] - 0.25 * start[i], 1e-14);
  }
  EXPECT_EQ(bias, plain_bias);  // the filter declines it
}

// Fault 45 for a convolution: one image, one position. The undamped block is
// the outer product of the weight's gradient with itself.
TEST(Thor, TheBlockOfOneImageAndOnePositionIsItsFisherMatrix) {
  Generator rng(6);
  Conv2dThorOptions conv;
  conv.in_channels = 3;
  conv.out_channels = 4;
  conv.kernel_size = {2, 5};
  conv.pad_mode = PadMode::Valid;
  conv.weight_init = "he_normal";
  conv.dtype = DType::F64;
  Conv2dThor layer(conv, rng);
  const Tensor x = normal({1, 3, 2, 5}, 0, 1, rng, {DType::F64});
  const Tensor y = layer(x);
  ASSERT_EQ(y.shape(), (Shape{1, 4, 1, 1}));
  cross_entropy(reshape(y, {1, 4}), Tensor::from<std::int64_t>({2}, {1}))
      .backward();
  const std::size_t d = 3 * 2 * 5;
  EXPECT_EQ(layer.factors()->sums().positions_per_sample, 1.0);
  const Doubles g = layer.matrix_g().to_vector<double>();
  const Doubles a = layer.matrix_a().to_vector<double>();
  const Doubles dw = layer.weight.grad().to_vector<double>();
  for (std::size_t i = 0; i < 4 * d; ++i) {
    for (std::size_t j = 0; j < 4 * d; ++j) {
      const double block = g[i / d * 4 + j / d] * a[i % d * d + j % d];
      ASSERT_NEAR(block, dw[i] * dw[j], 1e-10) << i << " " << j;
    }
  }
}

/** Steps on one batch in parts, with the sum of the samples' losses. */
Doubles sum_reduced(ThorStatistics statistics,
                    const std::vector<std::int64_t>& cuts) {
  const auto net = make_net();
  ThorOptions options = small_options();
  options.loss_reduction = LossReduction::Sum;
  options.statistics = statistics;
  Thor thor(*net, options);
  CrossEntropyOptions loss;
  loss.reduction = Reduction::Sum;
  for (int step = 0; step < 3; ++step) {
    const Data data = random_data(6, static_cast<std::uint64_t>(step));
    thor.zero_grad();
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
      const Data some = part(data, cuts[i], cuts[i + 1]);
      cross_entropy((*net)(some.x), some.y, loss).backward();
    }
    thor.step();
  }
  return weights_of(*net);
}

TEST(Thor, ASumReducedLossAddsUpOverMicroBatches) {
  const auto statistics = ThorStatistics::PerSample;
  const Doubles whole = sum_reduced(statistics, {0, 6});
  expect_close(sum_reduced(statistics, {0, 3, 6}), whole, 1e-11);
  expect_close(sum_reduced(statistics, {0, 1, 4, 6}), whole, 1e-11);
}

TEST(Thor, ASumReducedLossAgreesWithItsMeanInParityToo) {
  const auto net = make_net();
  ThorOptions options = small_options();
  options.statistics = ThorStatistics::MindSporeGpu;
  Thor thor(*net, options);
  for (int step = 0; step < 3; ++step) {
    const Data data = random_data(6, static_cast<std::uint64_t>(step));
    thor.zero_grad();
    cross_entropy((*net)(data.x), data.y).backward();
    thor.step();
  }
  // sum: G = S_G / P of dout that is N times as large
  expect_close(sum_reduced(ThorStatistics::MindSporeGpu, {0, 6}),
               weights_of(*net), 1e-11);
  EXPECT_THROW(sum_reduced(ThorStatistics::MindSporeGpu, {0, 3, 6}),
               ValueError);
}

TEST(Thor, ParityCutsAFactorAbove128ByDefault) {
  const auto run = [](std::optional<std::int64_t> split,
                      ThorStatistics statistics) {
    Generator rng(3);
    DenseThorOptions dense;
    dense.in_channels = 131;
    dense.out_channels = 2;
    dense.weight_init = "he_normal";
    dense.dtype = DType::F64;
    Sequential net;
    net.emplace<DenseThor>(dense, rng);
    ThorOptions options = small_options();
    options.split_dim = split;
    options.statistics = statistics;
    Thor thor(net, options);
    const Tensor x = normal({5, 131}, 0, 1, rng, {DType::F64});
    thor.zero_grad();
    const Tensor y = net(x);
    mean(y * y).backward();
    thor.step();
    return thor.inverse_a("0").to_vector<double>();
  };
  const auto parity = ThorStatistics::MindSporeGpu;
  const Doubles by_default = run({}, parity);
  EXPECT_EQ(by_default, run(128, parity));
  for (std::size_t i = 0; i < 131; ++i) {
    for (std::size_t j = 0; j < 131; ++j) {
      if ((i < 128) != (j < 128)) {
        ASSERT_EQ(by_default[i * 131 + j], 0.0);
      }
    }
  }
  EXPECT_NE(by_default[1], 0.0);
  EXPECT_NE(run({}, ThorStatistics::PerSample)[130], 0.0);
}

}  // namespace
}  // namespace mjolnir::optim
