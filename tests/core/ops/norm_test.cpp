#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/norm.h>
#include <mjolnir/core/threads.h>

#include <cmath>

namespace mjolnir {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

BatchNormOptions training(double momentum = 0.1) {
  BatchNormOptions options;
  options.training = true;
  options.momentum = momentum;
  options.epsilon = 0;
  return options;
}

TensorOptions doubles() {
  TensorOptions options;
  options.dtype = DType::F64;
  return options;
}

TEST(BatchNorm, TrainsOnTheBatchAndUpdatesRunningMoments) {
  // Channel 0: 1, 5 (mean 3, biased variance 4, unbiased 8); channel 1: 0, 2
  // (1, 1, 2).
  const Tensor x = Tensor::from<double>({1, 0, 5, 2}, {2, 2});
  const Tensor w = Tensor::from<double>({10, 1}, {2});
  const Tensor b = Tensor::from<double>({0, 7}, {2});
  const Tensor mean = Tensor::zeros({2}, doubles());
  const Tensor var = Tensor::ones({2}, doubles());
  const Tensor y = batch_norm(x, w, b, mean, var, training(0.5));
  EXPECT_EQ(y.to_vector<double>(), (std::vector<double>{-10, 6, 10, 8}));
  EXPECT_EQ(mean.to_vector<double>(), (std::vector<double>{1.5, 0.5}));
  EXPECT_EQ(var.to_vector<double>(), (std::vector<double>{4.5, 1.5}));
}

TEST(BatchNorm, EvaluationUsesRunningMomentsAndLeavesThem) {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4}, {1, 2, 1, 2});
  const Tensor mean = Tensor::from<float>({1, 2}, {2});
  const Tensor var = Tensor::from<float>({4, 0.25}, {2});
  const std::uint64_t versions = mean.version() + var.version();
  BatchNormOptions options;
  options.epsilon = 0;
  const Tensor y = batch_norm(x, Tensor(), Tensor(), mean, var, options);
  EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{0, 0.5, 2, 4}));
  EXPECT_EQ(y.layout(), Layout::ChannelsLast);
  EXPECT_EQ(mean.to_vector<float>(), (std::vector<float>{1, 2}));
  EXPECT_EQ(var.to_vector<float>(), (std::vector<float>{4, 0.25}));
  EXPECT_EQ(mean.version() + var.version(), versions);
}

TEST(BatchNorm, TrainsWithoutRunningMoments) {
  const Tensor x = Tensor::from<double>({1, 5}, {2, 1});
  const Tensor y =
      batch_norm(x, Tensor(), Tensor(), Tensor(), Tensor(), training());
  EXPECT_EQ(y.to_vector<double>(), (std::vector<double>{-1, 1}));
}

// A batch of one image is fine: its cells are the samples. A constant channel
// has variance 0 and gives the bias.
TEST(BatchNorm, OfOneImageAndOfAConstantChannel) {
  const Tensor x = Tensor::from<double>({1, 5, 3, 3}, {1, 2, 1, 2});
  const Tensor b = Tensor::from<double>({0, 7}, {2});
  BatchNormOptions options = training();
  options.epsilon = 1e-5;
  const Tensor y = batch_norm(x, Tensor(), b, Tensor(), Tensor(), options);
  const double one = 2 / std::sqrt(4 + 1e-5);
  EXPECT_THAT(y.to_vector<double>(),
              ::testing::Pointwise(::testing::DoubleNear(1e-14),
                                   std::vector<double>{-one, one, 7, 7}));
}

TEST(BatchNorm, GradientIsTheOneOfTheCurrentLayout) {
  Generator rng(2);
  const Tensor x = normal({2, 3, 4, 5}, 0, 1, rng, doubles());
  const Tensor dy = normal({2, 3, 4, 5}, 0, 1, rng, doubles());
  std::vector<std::vector<double>> gradients;
  for (const Layout layout : {Layout::RowMajor, Layout::ChannelsLast}) {
    const Tensor leaf = x.to(layout).clone();
    leaf.set_requires_grad(true);
    BackwardOptions options;
    options.gradient = dy;
    batch_norm(leaf, Tensor(), Tensor(), Tensor(), Tensor(), training())
        .backward(options);
    gradients.push_back(leaf.grad().to_vector<double>());
  }
  EXPECT_EQ(gradients[0], gradients[1]);
}

TEST(BatchNorm, RefusesWhatDoesNotFit) {
  const Tensor x = Tensor::zeros({4, 3, 2, 2});
  const Tensor none, one = Tensor::ones({3}), two = Tensor::ones({2});
  const auto refuses = [](auto f, const char* text) {
    EXPECT_THAT(f, ThrowsMessage<Error>(HasSubstr(text)));
  };
  refuses(
      [&] {
        batch_norm(Tensor::zeros({1, 3}), none, none, none, none, training());
      },
      "[batch_norm] expected more than one value per channel in training, got "
      "shape (1,3)");
  refuses(
      [&] {
        batch_norm(Tensor::zeros({0, 3, 2, 2}), none, none, none, none,
                   training());
      },
      "more than one value per channel");
  refuses([&] { batch_norm(x, two, none, one, one); }, "weight of shape (3)");
  refuses([&] { batch_norm(x, none, two, one, one); }, "bias of shape (3)");
  refuses([&] { batch_norm(x, none, none, two, one); }, "running_mean");
  refuses([&] { batch_norm(x, none, none, one, two); }, "running_var");
  refuses([&] { batch_norm(x, none, none, none, none); },
          "needs running_mean and running_var");
  refuses([&] { batch_norm(x, none, none, one, none, training()); },
          "both or neither");
  refuses(
      [&] {
        batch_norm(Tensor::zeros({3, 3, 3}), none, none, one, one);
      },
      "(N,C,H,W) or (N,C)");
  refuses([&] { batch_norm(x, none, none, one, one, training(1.5)); },
          "momentum in [0, 1]");
  BatchNormOptions options;
  options.epsilon = std::nan("");
  refuses([&] { batch_norm(x, none, none, one, one, options); }, "epsilon");
  refuses([&] { batch_norm(none, none, none, one, one); }, "undefined");
}

TEST(LayerNorm, NormalizesTheLastAxes) {
  // Rows (0,2,4,6) + 100 r: mean 3, variance 5.
  const Tensor x =
      Tensor::from<double>({0, 2, 4, 6, 100, 102, 104, 106}, {2, 1, 2, 2});
  const Tensor w = Tensor::from<double>({1, 1, 1, 2}, {2, 2});
  const Tensor b = Tensor::from<double>({0, 0, 10, 0}, {2, 2});
  const double a = 1 / std::sqrt(5.0 + 4.0);
  const std::vector<double> row{-3 * a, -a, a + 10, 6 * a};
  std::vector<double> expected = row;
  expected.insert(expected.end(), row.begin(), row.end());
  for (const Layout layout : {Layout::RowMajor, Layout::ChannelsLast}) {
    const Tensor y = layer_norm(x.to(layout), w, b, 2, 4.0);
    EXPECT_THAT(y.to_vector<double>(),
                ::testing::Pointwise(::testing::DoubleNear(1e-14), expected));
  }
}

TEST(LayerNorm, RefusesWhatDoesNotFit) {
  const Tensor x = Tensor::zeros({4, 3});
  const Tensor none, two = Tensor::ones({2});
  const auto refuses = [](auto f, const char* text) {
    EXPECT_THAT(f, ThrowsMessage<Error>(HasSubstr(text)));
  };
  refuses([&] { layer_norm(x, none, none, 0); }, "1 to 2 normalized axes");
  refuses([&] { layer_norm(x, none, none, 3); }, "got 3");
  refuses([&] { layer_norm(x, two, none, 1); }, "weight of shape (3)");
  refuses([&] { layer_norm(x, none, two, 1); }, "bias of shape (3)");
  refuses([&] { layer_norm(x, none, none, 1, -1); }, "epsilon");
  refuses(
      [&] {
        layer_norm(Tensor::zeros({2, 0}), none, none, 1);
      },
      "at least one element");
}

TEST(Dropout, DropsTheSameInForwardAndBackward) {
  Generator rng(5);
  const Tensor x = Tensor::ones({3, 4, 5, 6});
  x.set_requires_grad(true);
  const Tensor y = dropout(x, 0.4, rng, true);
  BackwardOptions options;
  // In another layout than x: the mask must follow the element.
  options.gradient = Tensor::ones(y.shape()).to(Layout::ChannelsLast);
  y.backward(options);
  EXPECT_EQ(x.grad().to_vector<float>(), y.to_vector<float>());
}

TEST(Dropout, ReplaysFromTheGenerator) {
  Generator rng(5);
  const Generator::State start = rng.state();
  const Tensor x = Tensor::ones({200});
  const auto first = dropout(x, 0.5, rng, true).to_vector<float>();
  EXPECT_NE(dropout(x, 0.5, rng, true).to_vector<float>(), first);
  rng.set_state(start);
  EXPECT_EQ(dropout(x, 0.5, rng, true).to_vector<float>(), first);
}

TEST(Dropout, IsTheIdentityInEvaluation) {
  Generator rng(5);
  const Generator::State start = rng.state();
  const Tensor x = Tensor::ones({20});
  EXPECT_TRUE(dropout(x, 0.5, rng, false).shares_buffer_with(x));
  EXPECT_EQ(rng.state().counter, start.counter);
  EXPECT_EQ(rng.state().lane, start.lane);
}

TEST(Dropout, RefusesAProbabilityOutsideItsRange) {
  Generator rng(5);
  const Tensor x = Tensor::ones({2});
  for (double p : {-0.1, 1.1, std::nan("")}) {
    EXPECT_THROW(dropout(x, p, rng, true), ValueError);
    EXPECT_THROW(dropout(x, p, rng, false), ValueError);
  }
  EXPECT_EQ(dropout(x, 1, rng, true).to_vector<float>(),
            (std::vector<float>{0, 0}));
}

}  // namespace
}  // namespace mjolnir
