#include <mjolnir/curvature/choose_split.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/embedding.h>
#include <mjolnir/layers/factors.h>

#include "tests/curvature/factors.h"
#include "tests/curvature/small_net.h"

namespace mjolnir {
namespace {

using testing::bit_equal;
using testing::cut;
using testing::diagonal;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::random_factor;
using testing::relative_error;
using testing::small_batch;
using testing::SmallNet;
using Sizes = std::vector<std::int64_t>;

/** (2,2) that loses half of itself when it is cut to numbers. */
Tensor coupled() {
  return Tensor::from(std::vector<double>{1, 1, 1, 1}, {2, 2});
}

SplitOptions with_speed(const Sizes& sizes, const std::vector<double>& speed) {
  SplitOptions options;
  options.sizes = sizes;
  options.speed = speed;
  return options;
}

TEST(ChooseSplitDim, TakesTheSizeWhereTheCurvesCross) {
  // One of four factors keeps its norm as numbers, all do as pairs.
  const std::vector<NamedTensor> factors = {{"a", diagonal({1, 2})},
                                            {"b", coupled()},
                                            {"c", coupled()},
                                            {"d", coupled()}};
  // Kept 0.25 and 1, speed 1 and 0.5: -0.75 and 0.5, zero at 0.6 of the way.
  SplitChoice choice = choose_split_dim(factors, with_speed({1, 2}, {10, 5}));
  EXPECT_THAT(choice.kept, ElementsAre(0.25, 1));
  EXPECT_THAT(choice.speed, ElementsAre(1, 0.5));
  EXPECT_NEAR(choice.crossing, std::pow(2.0, 0.6), 1e-12);
  EXPECT_EQ(choice.split_dim, 2);
  EXPECT_EQ(choice.factors[1].name, "b");
  EXPECT_EQ(choice.factors[1].size, 2);
  EXPECT_NEAR(choice.factors[1].losses[0], 0.5, 1e-15);
  // Speed 1 and 0.01: -0.75 and 0.99, zero at 0.43 of the way.
  choice = choose_split_dim(factors, with_speed({1, 2}, {1, 0.01}));
  EXPECT_NEAR(choice.crossing, std::pow(2.0, 0.75 / 1.74), 1e-12);
  EXPECT_EQ(choice.split_dim, 1);
  // A tolerance above the loss.
  SplitOptions options = with_speed({1, 2}, {1, 0.5});
  options.tolerance = 0.6;
  choice = choose_split_dim(factors, options);
  EXPECT_THAT(choice.kept, ElementsAre(1, 1));
  EXPECT_EQ(choice.crossing, 1);
  EXPECT_EQ(choice.split_dim, 1);
}

TEST(ChooseSplitDim, NeverTakesASizeThatALargerOneBeats) {
  // Numbers are slower than pairs, and lose more.
  const std::vector<NamedTensor> factors = {
      {"a", diagonal({1, 1, 1, 1})},
      {"b", cut(Tensor::ones({4, 4}, {DType::F64}), 2)},
      {"c", Tensor::ones({4, 4}, {DType::F64})}};
  const SplitChoice choice =
      choose_split_dim(factors, with_speed({1, 2, 4}, {0.2, 1, 0.1}));
  EXPECT_THAT(choice.speed, ElementsAre(1, 1, 0.1));
  EXPECT_NEAR(choice.kept[0], 1 / 3., 1e-15);
  EXPECT_NEAR(choice.kept[1], 2 / 3., 1e-15);
  EXPECT_EQ(choice.split_dim, 2);
  EXPECT_NEAR(choice.crossing, 2 * std::pow(2.0, (1 / 3.) / (1 / 3. + 0.9)),
              1e-12);
  // Even where the smallest size loses nothing.
  EXPECT_EQ(
      choose_split_dim({{"a", diagonal({1, 2})}}, with_speed({1, 2}, {0.5, 1}))
          .split_dim,
      2);
  // Sizes that never keep enough: the last one.
  EXPECT_EQ(
      choose_split_dim({{"c", coupled()}}, with_speed({1}, {1})).split_dim, 1);
}

TEST(ChooseSplitDim, MeasuresWithoutASpeed) {
  Generator rng(6);
  const std::vector<NamedTensor> factors = {{"a", random_factor(64, rng)},
                                            {"b", diagonal({1, 2, 3})}};
  SplitOptions options;
  options.sizes = {1, 16, 64, 128};
  const SplitChoice choice = choose_split_dim(factors, options);
  EXPECT_EQ(choice.speed.front(), 1);
  EXPECT_TRUE(std::is_sorted(choice.speed.rbegin(), choice.speed.rend()));
  EXPECT_GT(choice.speed.back(), 0);
  EXPECT_EQ(choice.speed[2], choice.speed[3]);  // both whole
  EXPECT_EQ(choice.kept.back(), 1);
}

TEST(ChooseSplitDim, OfAModelIsThatOfItsFactorsInWeightOrder) {
  Generator rng(7);
  SmallNet net(rng);
  const Batch batch = small_batch(Likelihood::Categorical, rng);
  const SplitOptions options = with_speed({1, 2, 4, 8, 16}, {5, 4, 3, 2, 1});
  const SplitChoice choice =
      choose_split_dim(net, Likelihood::Categorical, batch, options);
  std::vector<NamedTensor> factors;
  for (auto& [name, layer] :
       {std::pair<std::string, CurvatureSource*>{"conv", &net.conv},
        {"fc", &net.fc}}) {
    layer->enable_factors();
    layer->collect(Collect::Factors);
  }
  cross_entropy(net(batch.images), batch.labels).backward();
  for (auto& [name, layer] :
       {std::pair<std::string, CurvatureSource*>{"conv", &net.conv},
        {"fc", &net.fc}}) {
    factors.emplace_back(name + " A", layer->matrix_a());
    factors.emplace_back(name + " G", layer->matrix_g());
  }
  const SplitChoice expected = choose_split_dim(factors, options);
  ASSERT_EQ(choice.factors.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(choice.factors[i].name, expected.factors[i].name);
    EXPECT_EQ(choice.factors[i].size, expected.factors[i].size);
    // Sums and means differ by a factor, and so by rounding.
    EXPECT_LE(
        relative_error(choice.factors[i].losses, expected.factors[i].losses),
        1e-12);
  }
  EXPECT_EQ(choice.split_dim, expected.split_dim);
  // The order matters: as stored, kernel cells first, A loses another share.
  const double stored = split_losses(net.conv.factors()->sums().a, {2})[0];
  EXPECT_GT(std::abs(stored - choice.factors[0].losses[1]), 1e-3);
  EXPECT_TRUE(std::is_sorted(choice.kept.begin(), choice.kept.end()));
}

struct NormedNet : Module {
  explicit NormedNet(Generator& rng)
      : table(table_options(), rng),
        norm(norm_options()),
        conv(SmallNet::conv_options(), rng) {
    add("table", table);
    add("norm", norm);
    add("conv", conv);
  }
  Tensor operator()(const Tensor& ids) override {  // (N,2,3,4) from (N,24)
    return flatten(conv(norm(reshape(table(ids), {-1, 2, 3, 4}))));
  }
  static EmbeddingOptions table_options() {
    EmbeddingOptions options;
    options.count = 5;
    options.size = 24;
    options.dtype = DType::F64;
    return options;
  }
  static BatchNorm2dOptions norm_options() {
    BatchNorm2dOptions options;
    options.dtype = DType::F64;
    options.channels = 2;
    return options;
  }
  Embedding table;
  BatchNorm2d norm;
  Conv2d conv;
};

TEST(ChooseSplitDim, LeavesTheModelAlone) {
  Generator rng(8);
  NormedNet net(rng);
  Batch batch;
  batch.images = Tensor::from(std::vector<std::int64_t>{0, 2, 2, 4}, {4});
  const BatchLoss loss = [](Module& model, const Batch& all) {
    return sum(model(all.images));
  };
  net.conv.enable_factors();
  net.conv.collect(Collect::Factors);
  loss(net, batch).backward();
  const FactorSums sums = net.conv.factors()->sums();
  const Tensor a = sums.a.clone();
  std::vector<Tensor> before;
  for (const auto& [name, tensor] : net.state())
    before.push_back(tensor.clone());
  const Tensor gradient = net.conv.weight.grad().clone();

  const NoGrad no_grad;  // it records by itself
  const SplitChoice choice =
      choose_split_dim(net, loss, batch, with_speed({1, 100}, {2, 1}));
  std::vector<std::string> names;
  for (const SplitFactor& factor : choice.factors) names.push_back(factor.name);
  EXPECT_THAT(names, ElementsAre("table G", "conv A", "conv G"));
  EXPECT_TRUE(bit_equal(net.conv.weight.grad(), gradient));
  EXPECT_TRUE(bit_equal(net.conv.factors()->sums().a, a));
  EXPECT_EQ(net.conv.factors()->sums().samples, sums.samples);
  EXPECT_FALSE(net.table.factors());
  std::size_t i = 0;
  for (const auto& [name, tensor] : net.state())
    EXPECT_TRUE(bit_equal(tensor, before[i++])) << name;
}

TEST(ChooseSplitDim, RefusesByName) {
  Generator rng(9);
  SmallNet net(rng);
  Batch batch = small_batch(Likelihood::Gaussian, rng);
  const auto message = [&](const SplitOptions& options) {
    return message_of<ValueError>(
        [&] { choose_split_dim(net, Likelihood::Gaussian, batch, options); });
  };
  EXPECT_THAT(message(with_speed({}, {})), HasSubstr("sizes"));
  EXPECT_THAT(message(with_speed({0, 1}, {})), HasSubstr("sizes"));
  EXPECT_THAT(message(with_speed({2, 2}, {})), HasSubstr("ascending"));
  EXPECT_THAT(message(with_speed({1, 2}, {1})), HasSubstr("speed"));
  EXPECT_THAT(message(with_speed({1, 2}, {1, 0})), HasSubstr("speed"));
  SplitOptions options;
  options.tolerance = 0;
  EXPECT_THAT(message(options), HasSubstr("tolerance"));
  EXPECT_THROW(choose_split_dim(std::vector<NamedTensor>{}), ValueError);
  EXPECT_THAT(message_of<NumericalError>([&] {
                choose_split_dim({{"fc A", Tensor::full({2, 2}, HUGE_VAL)}});
              }),
              HasSubstr("fc A"));

  net.freeze();
  EXPECT_THAT(message({}), HasSubstr("curvature"));
  batch.images = Tensor::zeros({0, 2, 3, 4}, {DType::F64});
  EXPECT_THAT(message({}), HasSubstr("at least one sample"));
}

TEST(ChooseSplitDim, IsATableOf80Columns) {
  SplitChoice choice;
  choice.sizes = {1, 128, 2048};
  choice.kept = {0.125, 1, 1};
  choice.speed = {1, 0.5, 0.001};
  choice.tolerance = 0.01;
  choice.crossing = 105.7;
  choice.split_dim = 128;
  choice.factors = {{"a", 576, {}}, {"b", 64, {}}};
  EXPECT_EQ(
      choice.str(),
      "    size  loss < 1 %                    speed\n"
      "       1   12.5 % ###                     100 % ####################\n"
      "     128    100 % ####################     50 % ##########\n"
      "    2048    100 % ####################    0.1 %\n"
      "of 2 factors, the largest of 576 rows; the curves cross at 106:\n"
      "split_dim = 128\n");
  std::istringstream lines(choice.str());
  for (std::string line; std::getline(lines, line);)
    EXPECT_LE(line.size(), 80u);
}

}  // namespace
}  // namespace mjolnir
