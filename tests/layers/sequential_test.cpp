#include <gmock/gmock.h>

#include <mjolnir/layers/activations.h>
#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/sequential.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using testing::bit_equal;
using ::testing::ElementsAre;

DenseOptions dense_options(std::int64_t in, std::int64_t out) {
  DenseOptions options;
  options.in = in;
  options.out = out;
  return options;
}

TEST(Sequential, NamesChildrenByPositionAndAppliesThemInOrder) {
  Generator rng(3);
  Sequential net;
  Dense& first = net.emplace<Dense>(dense_options(3, 4), rng);
  net.emplace<ReLU>();
  Module& last =
      net.push("head", std::make_unique<Dense>(dense_options(4, 2), rng));
  std::vector<std::string> names;
  for (const NamedTensor& entry : net.state()) names.push_back(entry.first);
  EXPECT_THAT(names,
              ElementsAre("0.weight", "0.bias", "head.weight", "head.bias"));
  EXPECT_EQ(net.size(), 3u);
  EXPECT_EQ(&net[2], &last);
  EXPECT_THROW(net[3], ValueError);

  const Tensor x = normal({5, 3}, 0, 1, rng);
  ReLU relu;
  EXPECT_TRUE(bit_equal(net(x), last(relu(first(x)))));
}

TEST(Sequential, EmptyIsTheIdentity) {
  Sequential net;
  const Tensor x = Tensor::ones({2});
  EXPECT_TRUE(net(x).shares_buffer_with(x));
  EXPECT_TRUE(net.empty());
}

TEST(Sequential, RefersToModulesAndClonesThemOnce) {
  Generator rng(4);
  Dense shared(dense_options(3, 3), rng);
  Sequential net;
  net.push(shared);
  net.push(shared);
  EXPECT_EQ(net.parameters().size(), 2u);
  const std::unique_ptr<Module> copy = net.clone();
  EXPECT_EQ(copy->parameters().size(), 2u);
  const Tensor x = normal({2, 3}, 0, 1, rng);
  EXPECT_TRUE(bit_equal((*copy)(x), net(x)));
  shared.weight.fill(0);
  EXPECT_FALSE(bit_equal((*copy)(x), net(x)));
}

TEST(Sequential, RefusesNoModuleAndAUsedName) {
  Sequential net;
  EXPECT_THROW(net.push(std::unique_ptr<Module>()), ValueError);
  net.push("a", std::make_unique<ReLU>());
  EXPECT_THROW(net.push("a", std::make_unique<ReLU>()), ValueError);
  EXPECT_EQ(net.size(), 1u);
}

}  // namespace
}  // namespace mjolnir
