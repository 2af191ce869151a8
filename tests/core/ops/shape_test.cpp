// What the cases of the shape ops leave open: sharing, sizes, dtypes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops.h>

namespace mjolnir {
namespace {

TEST(ShapeOps, ReshapeAndOuterSliceShareTheBuffer) {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor flat = reshape(x, {6});
  const Tensor rows = slice(x, 0, 1, 3);
  EXPECT_TRUE(flat.shares_buffer_with(x));
  EXPECT_TRUE(rows.shares_buffer_with(x));
  EXPECT_FALSE(slice(x, 1, 0, 1).shares_buffer_with(x));
  x.mutable_data<float>()[2] = 30;
  EXPECT_EQ(flat.to_vector<float>()[2], 30);
  EXPECT_EQ(rows.to_vector<float>()[0], 30);
}

TEST(ShapeOps, ASavedBufferChangedThroughAReshapeIsANamedError) {
  const Tensor x = Tensor::ones({4});
  x.set_requires_grad(true);
  const Tensor y = sum(exp(x) * x);
  reshape(x.detach(), {2, 2}).fill(3.0);
  try {
    y.backward();
    FAIL() << "the change went unnoticed";
  } catch (const ValueError& error) {
    EXPECT_NE(std::string(error.what()).find("was changed"), std::string::npos);
  }
}

TEST(ShapeOps, OuterSlicesOfChannelsLastImagesShareAndKeepTheirLayout) {
  std::vector<float> values(24);
  for (std::size_t i = 0; i < 24; ++i) values[i] = static_cast<float>(i);
  const Tensor x = Tensor::from(values, {2, 3, 2, 2}, Layout::ChannelsLast);
  const Tensor second = slice(x, 0, 1, 2);
  EXPECT_TRUE(second.shares_buffer_with(x));
  EXPECT_EQ(second.layout(), Layout::ChannelsLast);
  EXPECT_EQ(second.to_vector<float>(),
            std::vector<float>(values.begin() + 12, values.end()));
}

TEST(ShapeOps, MoveIntegersToo) {
  const Tensor x = Tensor::from<std::int64_t>({1, 2, 3, 4, 5, 6}, {2, 3});
  EXPECT_EQ(transpose(x, 0, 1).to_vector<std::int64_t>(),
            (std::vector<std::int64_t>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(concat({x, x}, 0).shape(), (Shape{4, 3}));
  EXPECT_EQ(slice(x, 1, -1, 3).to_vector<std::int64_t>(),
            (std::vector<std::int64_t>{3, 6}));
  const Tensor bytes = Tensor::from<std::uint8_t>({7, 9}, {2, 1});
  EXPECT_EQ(broadcast_to(bytes, {2, 2}).to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>{7, 7, 9, 9}));
  EXPECT_EQ(pad(bytes, {{0, 0}, {1, 0}}, 5).to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>{5, 7, 5, 9}));
}

TEST(ShapeOps, OfSizeZero) {
  const Tensor x = Tensor::ones({0, 3});
  EXPECT_EQ(reshape(x, {3, 0}).shape(), (Shape{3, 0}));
  EXPECT_THROW(reshape(x, {0, -1}), ShapeError);
  EXPECT_EQ(transpose(x, 0, 1).shape(), (Shape{3, 0}));
  EXPECT_EQ(concat({x, Tensor::ones({2, 3})}, 0).shape(), (Shape{2, 3}));
  EXPECT_EQ(slice(Tensor::ones({4}), 0, 2, 2).shape(), Shape{0});
  EXPECT_EQ(pad(x, {{1, 0}, {0, 0}}).to_vector<float>(),
            (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(broadcast_to(Tensor::ones({1, 3}), {0, 3}).shape(), (Shape{0, 3}));
  EXPECT_EQ(matmul(x, Tensor::ones({3, 2})).shape(), (Shape{0, 2}));
  // A sum over no products.
  EXPECT_EQ(
      matmul(Tensor::ones({2, 0}), Tensor::ones({0, 1})).to_vector<float>(),
      (std::vector<float>{0, 0}));
  EXPECT_EQ(linear(x, Tensor::ones({2, 3})).shape(), (Shape{0, 2}));
  EXPECT_EQ(softmax(x).shape(), (Shape{0, 3}));
}

TEST(ShapeOps, GradientsOfSizeZero) {
  const Tensor x = Tensor::ones({0, 3});
  const Tensor w = Tensor::ones({2, 3});
  const Tensor bias = Tensor::ones({2});
  for (const Tensor& t : {x, w, bias}) t.set_requires_grad(true);
  sum(linear(x, w, bias)).backward();
  EXPECT_EQ(x.grad().shape(), (Shape{0, 3}));
  EXPECT_EQ(w.grad().to_vector<float>(), std::vector<float>(6, 0.0f));
  EXPECT_EQ(bias.grad().to_vector<float>(), std::vector<float>(2, 0.0f));
}

TEST(ShapeOps, LinearWithoutFeaturesIsItsBias) {
  // What the cache gave back before must not show.
  { const Tensor junk = Tensor::full({4, 3}, 7.0); }
  const Tensor x = Tensor::ones({4, 0}), w = Tensor::ones({3, 0});
  EXPECT_EQ(linear(x, w).to_vector<float>(), std::vector<float>(12, 0.0f));
  const Tensor bias = Tensor::from<float>({1, 2, 3}, {3});
  for (const Tensor& t : {x, w, bias}) t.set_requires_grad(true);
  const Tensor y = linear(x, w, bias);
  EXPECT_EQ(y.to_vector<float>(),
            (std::vector<float>{1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}));
  sum(y).backward();
  EXPECT_EQ(x.grad().shape(), (Shape{4, 0}));
  EXPECT_EQ(w.grad().shape(), (Shape{3, 0}));
  EXPECT_EQ(bias.grad().to_vector<float>(), std::vector<float>(3, 4.0f));
  EXPECT_EQ(linear(Tensor::ones({2, 3, 0}), w, bias).shape(), (Shape{2, 3, 3}));
}

TEST(ShapeOps, NameThemselvesWhenATensorIsUndefined) {
  const Tensor none, some = Tensor::ones({2});
  const std::vector<std::pair<std::string, std::function<void()>>> calls{
      {"reshape", [&] { reshape(none, Shape{1}); }},
      {"reshape", [&] { reshape(none, {-1}); }},
      {"flatten", [&] { flatten(none); }},
      {"permute", [&] { permute(none, {0}); }},
      {"transpose", [&] { transpose(none, 0, 1); }},
      {"slice", [&] { slice(none, 0, 0, 1); }},
      {"pad",
       [&] {
         pad(none, {{1, 1}});
       }},
      {"concat",
       [&] {
         concat({none, some}, 0);
       }},
      {"concat",
       [&] {
         concat({some, none}, 0);
       }},
      {"stack",
       [&] {
         stack({none, some}, 0);
       }},
      {"stack",
       [&] {
         stack({some, none}, 0);
       }},
      {"broadcast_to", [&] { broadcast_to(none, {2}); }},
      {"sum_to", [&] { sum_to(none, {2}); }},
  };
  for (const auto& [name, call] : calls) {
    EXPECT_THAT(call,
                ::testing::ThrowsMessage<ValueError>(
                    "[" + name + "] expected a tensor, got an undefined one"));
  }
}

TEST(ShapeOps, FlattenOfChannelsLastIsInLogicalOrder) {
  std::vector<float> values(24);
  for (std::size_t i = 0; i < 24; ++i) values[i] = static_cast<float>(i);
  const Tensor x = Tensor::from(values, {2, 3, 2, 2}, Layout::ChannelsLast);
  EXPECT_EQ(flatten(x).to_vector<float>(), values);
  EXPECT_EQ(flatten(x).shape(), (Shape{2, 12}));
  EXPECT_EQ(flatten(x, 0).shape(), Shape{24});
}

TEST(ShapeOps, MatmulReadsAnImageInLogicalOrder) {
  // (1,2,2,3) times (3,1): rows of width 3.
  std::vector<float> values(12);
  for (std::size_t i = 0; i < 12; ++i) values[i] = static_cast<float>(i);
  const Tensor x = Tensor::from(values, {1, 2, 2, 3}, Layout::ChannelsLast);
  const Tensor w = Tensor::from<float>({1, 10, 100}, {3, 1});
  EXPECT_EQ(matmul(x, w).to_vector<float>(),
            (std::vector<float>{210, 543, 876, 1209}));
}

}  // namespace
}  // namespace mjolnir
