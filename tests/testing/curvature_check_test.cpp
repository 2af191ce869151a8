#include <gmock/gmock.h>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/matmul.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/embedding.h>
#include <mjolnir/testing/curvature_check.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using testing::check_curvature;
using testing::CurvatureCheckResult;
using ::testing::HasSubstr;
using testing::random_f64;

DenseOptions dense_options(std::int64_t in, std::int64_t out) {
  DenseOptions options;
  options.in = in;
  options.out = out;
  options.dtype = DType::F64;
  return options;
}

TEST(CurvatureCheck, AcceptsTheLayers) {
  Generator rng(1);
  Conv2dThorOptions thor;
  thor.in_channels = 2;
  thor.out_channels = 3;
  thor.kernel_size = Pair(2, 3);
  thor.stride = Pair(2, 1);
  thor.dilation = Pair(1, 2);
  thor.dtype = DType::F64;
  Conv2dThor conv(thor, rng);
  const Tensor images = random_f64({2, 2, 5, 7}, rng);
  CurvatureCheckResult result =
      check_curvature(conv, [&] { return conv(images); });
  EXPECT_TRUE(result) << result.message;
  EXPECT_EQ(result.records, 1);

  Dense dense(dense_options(3, 3), rng);
  const Tensor x = random_f64({2, 4, 3}, rng);
  result = check_curvature(dense, [&] { return dense(relu(dense(x))); });
  EXPECT_TRUE(result) << result.message;
  EXPECT_EQ(result.records, 2);
  EXPECT_EQ(dense.factors(), nullptr);  // left as it was

  EmbeddingOptions options;
  options.count = 5;
  options.size = 3;
  options.dtype = DType::F64;
  Embedding table(options, rng);
  const Tensor ids =
      Tensor::from(std::vector<std::int64_t>{4, 1, 1, 0, 4, 4}, {2, 3});
  result = check_curvature(table, [&] { return table(ids); });
  EXPECT_TRUE(result) << result.message;
}

/** A dense layer of somebody who shows the wrong thing. */
struct Wrong : Module, CurvatureSource {
  enum class Mistake { Gradient, Input, Silent };
  Tensor weight;
  Mistake mistake;
  Wrong(Mistake made, Generator& rng)
      : weight(random_f64({2, 3}, rng)), mistake(made) {
    add("weight", weight);
  }
  Tensor operator()(const Tensor& x) override {
    const Tensor z = linear(x, weight, {});
    const Tensor y = sigmoid(z);
    if (mistake == Mistake::Gradient) watch(x, y);
    if (mistake == Mistake::Input) watch(x * 2, z);
    return y;
  }
  CurvatureKind curvature_kind() const override { return CurvatureKind::Dense; }
  Tensor curvature_weight() const override { return weight; }
};

TEST(CurvatureCheck, FindsMistakes) {
  Generator rng(2);
  const Tensor x = random_f64({4, 3}, rng);
  for (const auto mistake : {Wrong::Mistake::Gradient, Wrong::Mistake::Input,
                             Wrong::Mistake::Silent}) {
    Wrong layer(mistake, rng);
    testing::CurvatureCheckOptions options;
    options.name = "wrong";
    const CurvatureCheckResult result = check_curvature(
        layer, [&] { return layer(x); }, options);
    EXPECT_FALSE(result) << result.message;
    EXPECT_THAT(result.message, HasSubstr("wrong"));
  }
}

TEST(CurvatureCheck, NeedsAnF64Weight) {
  Generator rng(3);
  DenseOptions options = dense_options(2, 2);
  options.dtype = DType::F32;
  Dense dense(options, rng);
  EXPECT_THROW(check_curvature(dense, [] { return Tensor(); }), ValueError);
}

}  // namespace
}  // namespace mjolnir
