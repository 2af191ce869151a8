#include <mjolnir/train/filters.h>

#include <gtest/gtest.h>

#include <mjolnir/core/error.h>
#include <mjolnir/core/random.h>
#include <mjolnir/models/lenet5.h>
#include <mjolnir/models/mlp.h>
#include <limits>
#include <vector>

namespace mjolnir::train {
namespace {

std::uint8_t pixel(const Tensor& picture, std::int64_t y, std::int64_t x,
                   std::int64_t plane = 0) {
  const std::int64_t at = (y * picture.size(1) + x) * picture.size(2) + plane;
  return picture.to_vector<std::uint8_t>()[static_cast<std::size_t>(at)];
}

TEST(Filters, TheFirstLayerIsFound) {
  Generator rng(1);
  const models::LeNet5 lenet({}, rng);
  const auto conv = first_filters(lenet, {1, 28, 28}).value();
  EXPECT_EQ(conv.first, "conv1.weight");
  EXPECT_EQ(conv.second.shape(), (Shape{6, 1, 5, 5}));
  const models::Mlp mlp({}, rng);
  const auto dense = first_filters(mlp, {1, 28, 28}).value();
  EXPECT_EQ(dense.first, "fc1.weight");
  EXPECT_EQ(dense.second.shape(), (Shape{256, 1, 28, 28}));
  EXPECT_FALSE(first_filters(mlp, {3, 32, 32}).has_value());
  EXPECT_FALSE(first_filters(mlp, {}).has_value());
}

// Two filters of one channel, 1 x 2: a column of 12 pixels each.
TEST(Filters, OfOneChannelAreGrey) {
  for (const Layout layout : {Layout::RowMajor, Layout::ChannelsLast}) {
    const Tensor picture = filter_picture(
        Tensor::from<float>({-2, 0, 1, 2}, {2, 1, 1, 2}, layout));
    ASSERT_EQ(picture.shape(), (Shape{12, 24 + 2 + 24, 1}));
    EXPECT_EQ(pixel(picture, 0, 0), 0);
    EXPECT_EQ(pixel(picture, 11, 11), 0);
    EXPECT_EQ(pixel(picture, 0, 12), 128);  // 0, between 127 and 128
    EXPECT_EQ(pixel(picture, 5, 23), 128);
    EXPECT_EQ(pixel(picture, 5, 24), 255);  // the gap
    EXPECT_EQ(pixel(picture, 5, 26), 191);  // 127.5 (1 + 1/2)
    EXPECT_EQ(pixel(picture, 5, 38), 255);
  }
}

// Three pixels of RGB in the second of two filters, 24 x 24 each.
TEST(Filters, OfThreeChannelsAreColoured) {
  const Tensor picture =
      filter_picture(Tensor::from<double>({0, 0, 0, 1, -1, 0}, {2, 3, 1, 1}));
  ASSERT_EQ(picture.shape(), (Shape{24, 50, 3}));
  EXPECT_EQ(pixel(picture, 3, 3, 0), 128);
  EXPECT_EQ(pixel(picture, 3, 30, 0), 255);
  EXPECT_EQ(pixel(picture, 3, 30, 1), 0);
  EXPECT_EQ(pixel(picture, 3, 30, 2), 128);
}

TEST(Filters, OfOtherChannelsAreARowEach) {
  const Tensor picture = filter_picture(Tensor::ones({3, 4, 30, 2}));
  EXPECT_EQ(picture.shape(), (Shape{3 * 32 - 2, 4 * 4 - 2, 1}));
}

TEST(Filters, OfALargeLayerAreTheFirst256) {
  EXPECT_EQ(filter_picture(Tensor::ones({1000, 1, 24, 24})).shape(),
            (Shape{16 * 26 - 2, 16 * 26 - 2, 1}));
  EXPECT_EQ(filter_picture(Tensor::ones({10, 100, 24, 24})).shape(),
            (Shape{2 * 26 - 2, 100 * 26 - 2, 1}));
}

TEST(Filters, ThatAreZeroOrNotFiniteHaveAPicture) {
  EXPECT_EQ(pixel(filter_picture(Tensor::zeros({1, 1, 3, 3})), 0, 0), 128);
  constexpr float inf = std::numeric_limits<float>::infinity();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor picture =
      filter_picture(Tensor::from<float>({nan, inf, -inf, 1}, {1, 1, 1, 4}));
  EXPECT_EQ(pixel(picture, 0, 0), 0);
  EXPECT_EQ(pixel(picture, 0, 6), 255);
  EXPECT_EQ(pixel(picture, 0, 12), 0);
  EXPECT_EQ(pixel(picture, 0, 18), 255);
}

TEST(Filters, OtherTensorsAreRefused) {
  EXPECT_THROW(filter_picture(Tensor::ones({3, 3})), ShapeError);
  EXPECT_THROW(filter_picture(Tensor::ones({3, 0, 2, 2})), ShapeError);
  EXPECT_THROW(filter_picture(Tensor::ones({1, 1, 2, 2}, {DType::U8})),
               ValueError);
}

}  // namespace
}  // namespace mjolnir::train
