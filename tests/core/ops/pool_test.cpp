#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/pool.h>
#include <mjolnir/core/random.h>

namespace mjolnir {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Conv2dGeometry square(std::int64_t kernel, std::int64_t stride,
                      std::int64_t pad) {
  Conv2dGeometry g;
  g.kernel_h = g.kernel_w = kernel;
  g.stride_h = g.stride_w = stride;
  g.pad_top = g.pad_bottom = g.pad_left = g.pad_right = pad;
  return g;
}

Tensor small_image() {
  return Tensor::from<float>({-1, -2, -3, -4, -5, -6}, {1, 1, 2, 3});
}

TEST(MaxPool2d, PaddingNeverWins) {
  const Tensor y = max_pool2d(small_image(), square(2, 2, 1));
  EXPECT_EQ(y.shape(), (Shape{1, 1, 2, 2}));
  EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{-1, -2, -4, -5}));
}

TEST(MaxPool2d, GradientGoesToTheFirstOfEquals) {
  const Tensor x = Tensor::full({1, 1, 2, 3}, 4);
  x.set_requires_grad(true);
  BackwardOptions options;
  options.gradient = Tensor::from<float>({1, 10}, {1, 1, 1, 2});
  max_pool2d(x, square(2, 1, 0)).backward(options);
  EXPECT_EQ(x.grad().to_vector<float>(),
            (std::vector<float>{1, 10, 0, 0, 0, 0}));
}

TEST(AvgPool2d, PaddedCellsCount) {
  const Tensor y = avg_pool2d(small_image(), square(2, 2, 1));
  EXPECT_EQ(y.to_vector<float>(),
            (std::vector<float>{-0.25, -1.25, -1, -2.75}));
}

TEST(GlobalAvgPool, MeansEachChannelInBothLayouts) {
  const Tensor x = Tensor::from<double>(
      {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60}, {1, 2, 2, 3});
  const std::vector<double> expected{3.5, 35};
  EXPECT_EQ(global_avg_pool(x).shape(), (Shape{1, 2}));
  EXPECT_EQ(global_avg_pool(x).to_vector<double>(), expected);
  EXPECT_EQ(global_avg_pool(x.to(Layout::ChannelsLast)).to_vector<double>(),
            expected);
}

TEST(Pooling, OfAnEmptyBatch) {
  const Tensor x = Tensor::zeros({0, 3, 4, 4});
  EXPECT_EQ(max_pool2d(x, square(2, 2, 0)).shape(), (Shape{0, 3, 2, 2}));
  EXPECT_EQ(avg_pool2d(x, square(2, 2, 0)).shape(), (Shape{0, 3, 2, 2}));
  EXPECT_EQ(global_avg_pool(x).shape(), (Shape{0, 3}));
}

TEST(Pooling, RefusesWhatDoesNotFit) {
  const Tensor x = Tensor::zeros({1, 2, 3, 4});
  const auto refuses = [](auto f, const char* text) {
    EXPECT_THAT(f, ThrowsMessage<Error>(HasSubstr(text)));
  };
  refuses([&] { max_pool2d(x, square(5, 1, 0)); }, "a 5x5 window on 3x4");
  refuses([&] { avg_pool2d(x, square(5, 1, 0)); }, "[avg_pool2d]");
  refuses([&] { max_pool2d(x, square(2, 1, 2)); }, "padding only");
  refuses([&] { max_pool2d(x, square(1, 2, 1)); }, "padding only");
  Conv2dGeometry straddles = square(2, 1, 1);  // cells -1 and 3 of 0..2
  straddles.dilation_h = 4;
  refuses([&] { max_pool2d(x, straddles); }, "padding only");
  Conv2dGeometry grouped = square(2, 1, 0);
  grouped.groups = 2;
  refuses([&] { avg_pool2d(x, grouped); }, "groups of 1");
  refuses(
      [&] {
        max_pool2d(Tensor::zeros({3, 4}), square(1, 1, 0));
      },
      "rank 4");
  refuses([&] { global_avg_pool(Tensor::zeros({3, 4})); }, "rank 4");
  refuses(
      [&] {
        global_avg_pool(Tensor::zeros({3, 4, 0, 2}));
      },
      "at least one cell");
  refuses([&] { max_pool2d(Tensor(), square(1, 1, 0)); }, "undefined");
}

TEST(AvgPool2d, TakesWindowsOfPaddingOnly) {
  const Tensor y = avg_pool2d(Tensor::ones({1, 1, 1, 1}), square(1, 1, 1));
  EXPECT_EQ(y.to_vector<float>(),
            (std::vector<float>{0, 0, 0, 0, 1, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace mjolnir
