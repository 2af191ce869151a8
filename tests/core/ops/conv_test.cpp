#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/ops/conv.h>
#include <mjolnir/core/random.h>

#include <cmath>

namespace mjolnir {
namespace {

using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::ThrowsMessage;

Conv2dGeometry window(std::int64_t kh, std::int64_t kw) {
  Conv2dGeometry g;
  g.kernel_h = kh;
  g.kernel_w = kw;
  return g;
}

TensorOptions channels_last(DType dtype) {
  TensorOptions options;
  options.dtype = dtype;
  options.layout = Layout::ChannelsLast;
  return options;
}

// A cross-correlation by hand: x 1x1x2x3, w 1x1x2x2, pads left 1 only.
TEST(Conv2d, IsCrossCorrelation) {
  const Tensor x = Tensor::from<double>({1, 2, 3, 4, 5, 6}, {1, 1, 2, 3});
  const Tensor w = Tensor::from<double>({1, 10, 100, 1000}, {1, 1, 2, 2});
  const Tensor bias = Tensor::from<double>({0.5}, {1});
  Conv2dGeometry g = window(2, 2);
  g.pad_left = 1;
  const Tensor y = conv2d(x, w, bias, g);
  EXPECT_EQ(y.shape(), (Shape{1, 1, 1, 3}));
  EXPECT_EQ(y.layout(), Layout::ChannelsLast);
  EXPECT_EQ(y.to_vector<double>(),
            (std::vector<double>{10 + 4000.5, 1 + 20 + 400 + 5000.5,
                                 2 + 30 + 500 + 6000.5}));
}

TEST(Conv2d, TakesEveryLayout) {
  Generator rng(3);
  Conv2dGeometry g = window(2, 3);
  g.stride_h = 2;
  g.pad_right = 1;
  for (DType dtype : {DType::F32, DType::F64}) {
    TensorOptions row_major;
    row_major.dtype = dtype;
    const Tensor x = normal({2, 3, 5, 4}, 0, 1, rng, row_major);
    const Tensor w = normal({4, 3, 2, 3}, 0, 1, rng, row_major);
    const Tensor y = conv2d(x, w, Tensor(), g);
    const Tensor same = conv2d(x.to(Layout::ChannelsLast),
                               w.to(Layout::ChannelsLast), Tensor(), g);
    EXPECT_EQ(y.shape(), (Shape{2, 4, 2, 3}));
    EXPECT_EQ(y.to(DType::F64).to_vector<double>(),
              same.to(DType::F64).to_vector<double>());
  }
}

TEST(Conv2d, OnChannelsLastConvertsNothing) {
  Generator rng(4);
  const Tensor x = normal({2, 3, 5, 4}, 0, 1, rng, channels_last(DType::F32));
  const Tensor w = normal({4, 3, 3, 3}, 0, 1, rng, channels_last(DType::F32));
  const Tensor bias = normal({4}, 0, 1, rng);
  for (const Tensor& t : {x, w, bias}) t.set_requires_grad(true);
  const std::int64_t before = layout_conversion_count();
  const Tensor y = conv2d(x, w, bias, window(3, 3));
  BackwardOptions options;
  options.gradient = Tensor::ones_like(y);
  y.backward(options);
  EXPECT_EQ(layout_conversion_count(), before);
  EXPECT_EQ(w.grad().layout(), Layout::ChannelsLast);
  // each bias feeds N H' W' elements
  EXPECT_EQ(bias.grad().to_vector<float>(), std::vector<float>(4, 2 * 3 * 2));
}

// The sizes at which f32 takes the minimal-filtering kernels, through every
// gradient, against f64; for the bound see kernels/winograd_test.cpp.
TEST(Conv2d, WithManyChannelsAgreesWithF64) {
  Generator rng(6);
  Conv2dGeometry g = window(3, 3);
  g.pad_top = g.pad_bottom = g.pad_left = 1;
  const Tensor x = normal({4, 64, 13, 14}, 0, 1, rng);
  const Tensor w = normal({80, 64, 3, 3}, 0, 1, rng);
  const Tensor bias = normal({80}, 0, 1, rng);
  const Tensor dy = normal({4, 80, 13, 13}, 0, 1, rng);
  std::vector<std::vector<double>> results[2];
  for (const DType dtype : {DType::F32, DType::F64}) {
    std::vector<Tensor> leaves;
    for (const Tensor& t : {x, w, bias}) {
      leaves.push_back(t.to(dtype).clone());
      leaves.back().set_requires_grad(true);
    }
    const Tensor y = conv2d(leaves[0], leaves[1], leaves[2], g);
    GradOptions options;
    options.grad_outputs = {dy.to(dtype)};
    std::vector<Tensor> all = grad({y}, leaves, options);
    all.push_back(y.detach());
    for (const Tensor& t : all) {
      results[dtype == DType::F64].push_back(
          t.to(DType::F64).to_vector<double>());
    }
  }
  for (std::size_t i = 0; i < results[0].size(); ++i) {
    double square = 0;
    for (const double v : results[1][i]) square += v * v;
    const double rms = std::sqrt(square / double(results[1][i].size()));
    EXPECT_THAT(
        results[0][i],
        ::testing::Pointwise(::testing::DoubleNear(2e-5 * rms), results[1][i]))
        << "result " << i;
  }
}

TEST(Conv2d, OfAnEmptyBatch) {
  const Tensor x = Tensor::zeros({0, 2, 4, 5});
  const Tensor w = Tensor::ones({3, 2, 3, 3});
  w.set_requires_grad(true);
  const Tensor y = conv2d(x, w, Tensor(), window(3, 3));
  EXPECT_EQ(y.shape(), (Shape{0, 3, 2, 3}));
  BackwardOptions options;
  options.gradient = Tensor::zeros(y.shape());
  y.backward(options);
  EXPECT_EQ(w.grad().to_vector<float>(), std::vector<float>(54, 0.0f));
}

template <class Error, class F>
void expect_error(F f, const char* text) {
  EXPECT_THAT(f, ThrowsMessage<Error>(HasSubstr(text)));
}

TEST(Conv2d, RefusesWhatDoesNotFit) {
  const Tensor x = Tensor::zeros({4, 3, 32, 32});
  const Tensor none;
  const auto conv = [&](const Shape& w, const Conv2dGeometry& g) {
    return [&x, w, g] { conv2d(x, Tensor::zeros(w), Tensor(), g); };
  };
  expect_error<ShapeError>(
      conv({2, 8, 3, 3}, window(3, 3)),
      "[conv2d] expected x with 8 channels, got shape (4,3,32,32)");
  expect_error<ShapeError>(conv({2, 3, 3, 3}, window(3, 5)),
                           "expected w (O,C/groups,3,5)");
  expect_error<ShapeError>(conv({2, 3, 3}, window(3, 3)), "(2,3,3)");
  Conv2dGeometry g = window(3, 3);
  g.groups = 2;
  expect_error<ShapeError>(conv({3, 3, 3, 3}, g), "groups that divide the 3");
  g.groups = 0;
  expect_error<ShapeError>(conv({3, 3, 3, 3}, g), "got 0");
  g.groups = std::int64_t{1} << 62;  // divides 0, and times 4 it is 2^64
  expect_error<ShapeError>(conv({0, 4, 3, 3}, g), "at most 3 groups");
  expect_error<ShapeError>(
      [&] {
        Conv2dGeometry one = window(3, 3);
        conv2d(Tensor::zeros({1, 0, 4, 4}), Tensor::zeros({0, 0, 3, 3}), none,
               [&] {
                 one.groups = std::int64_t{1} << 40;
                 return one;
               }());
      },
      "at most 1 groups");
  expect_error<ShapeError>(conv({2, 3, 33, 3}, window(33, 3)),
                           "got a 33x3 window on 32x32");
  g = window(3, 3);
  g.stride_w = 0;
  expect_error<ValueError>(conv({2, 3, 3, 3}, g), "stride");
  g = window(3, 3);
  g.dilation_h = -1;
  expect_error<ValueError>(conv({2, 3, 3, 3}, g), "dilation");
  g = window(3, 3);
  g.pad_bottom = -1;
  expect_error<ValueError>(conv({2, 3, 3, 3}, g), "padding");
  g.pad_bottom = std::int64_t{1} << 62;
  expect_error<ValueError>(conv({2, 3, 3, 3}, g), "padding");
  expect_error<ShapeError>(
      [&] {
        conv2d(Tensor::zeros({3, 8, 8}), Tensor::zeros({2, 3, 3, 3}), none,
               window(3, 3));
      },
      "x of rank 4");
  expect_error<ShapeError>(
      [&] {
        conv2d(x, Tensor::zeros({2, 3, 3, 3}), Tensor::zeros({3}),
               window(3, 3));
      },
      "bias of shape (2)");
  TensorOptions doubles;
  doubles.dtype = DType::F64;
  expect_error<ValueError>(
      [&] {
        conv2d(x, Tensor::zeros({2, 3, 3, 3}, doubles), none, window(3, 3));
      },
      "f32 and f64");
  expect_error<ValueError>([&] { conv2d(Tensor(), x, none, window(3, 3)); },
                           "undefined");
}

TEST(Conv2dGradients, RefuseAGradientOfAnotherShape) {
  const Tensor x = Tensor::zeros({1, 2, 5, 5});
  const Tensor w = Tensor::zeros({3, 2, 2, 2});
  const Tensor wrong = Tensor::zeros({1, 3, 5, 4});
  expect_error<ShapeError>(
      [&] { conv2d_input_gradient(wrong, w, x.shape(), window(2, 2)); },
      "[conv2d_input_gradient] expected dy of shape (1,3,4,4)");
  expect_error<ShapeError>(
      [&] { conv2d_weight_gradient(x, wrong, w.shape(), window(2, 2)); },
      "[conv2d_weight_gradient] expected dy of shape (1,3,4,4)");
}

}  // namespace
}  // namespace mjolnir
