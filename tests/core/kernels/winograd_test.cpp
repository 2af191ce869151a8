#include "core/kernels/winograd.h"

#include <mjolnir/core/threads.h>

#include <algorithm>

#include "core/kernels/conv.h"
#include "tests/core/kernels/kernel_test.h"

namespace mjolnir::kernels {
namespace {

using testing::random_values;

ConvSizes sizes(std::int64_t batch, std::int64_t h, std::int64_t w,
                std::int64_t in, std::int64_t out, std::int64_t top,
                std::int64_t bottom, std::int64_t left, std::int64_t right) {
  ConvSizes s;
  s.batch = batch;
  s.in_h = h;
  s.in_w = w;
  s.in_channels = in;
  s.out_channels = out;
  s.window.kernel_h = s.window.kernel_w = 3;
  s.window.pad_top = top;
  s.window.pad_bottom = bottom;
  s.window.pad_left = left;
  s.window.pad_right = right;
  return s;
}

// Whole tiles, tiles over each edge, every padding from 0 to 2, one output,
// more than one block of tiles.
const ConvSizes shapes[] = {
    sizes(2, 8, 8, 16, 32, 1, 1, 1, 1),  sizes(1, 7, 10, 32, 16, 1, 1, 1, 1),
    sizes(3, 6, 5, 16, 16, 0, 2, 1, 0),  sizes(2, 5, 9, 48, 16, 2, 0, 2, 1),
    sizes(1, 3, 3, 16, 16, 0, 0, 0, 0),  sizes(1, 1, 2, 16, 16, 1, 1, 2, 2),
    sizes(9, 33, 31, 16, 16, 1, 1, 1, 1)};

// The same in f64 by the reference kernels. Winograd's sums run through
// numbers several times as large as the result: its error has a root mean
// square of 1e-6 to 3e-6 of the result's, and 2e-5 is seven times that. A cell
// that was forgotten, or read beyond a border, is of order 1.
void expect_near(const std::vector<float>& actual,
                 const std::vector<double>& expected) {
  double square = 0;
  for (const double value : expected) square += value * value;
  const double rms = std::sqrt(square / double(expected.size()));
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(double(actual[i]), expected[i], 2e-5 * rms) << "at " << i;
  }
}

std::vector<double> widened(const std::vector<float>& x) {
  return {x.begin(), x.end()};
}

TEST(Winograd, MatchesTheDirectConvolution) {
  for (const ConvSizes& s : shapes) {
    SCOPED_TRACE(::testing::Message() << s.in_h << "x" << s.in_w);
    ASSERT_TRUE(winograd_fits(s));
    const auto x =
        random_values<float>(s.batch * s.in_h * s.in_w * s.in_channels, 1);
    const auto w = random_values<float>(s.out_channels * s.patch(), 2);
    const auto b = random_values<float>(s.out_channels, 3);
    const auto dy = random_values<float>(s.rows() * s.out_channels, 4);
    std::vector<float> y(dy.size(), NAN), dx(x.size(), NAN), dw(w.size(), NAN);
    std::vector<double> y64(y.size()), dx64(x.size()), dw64(w.size());
    const auto xd = widened(x), wd = widened(w), bd = widened(b),
               dyd = widened(dy);
    winograd_forward(s, x.data(), w.data(), b.data(), y.data());
    conv2d_forward(s, xd.data(), wd.data(), bd.data(), y64.data());
    expect_near(y, y64);
    winograd_input_gradient(s, dy.data(), w.data(), dx.data());
    conv2d_input_gradient(s, dyd.data(), wd.data(), dx64.data());
    expect_near(dx, dx64);
    winograd_weight_gradient(s, x.data(), dy.data(), dw.data());
    conv2d_weight_gradient(s, xd.data(), dyd.data(), dw64.data());
    expect_near(dw, dw64);
  }
}

TEST(Winograd, GivesTheSameBitsTwice) {
  const ConvSizes s = shapes[6];
  const auto x =
      random_values<float>(s.batch * s.in_h * s.in_w * s.in_channels, 1);
  const auto w = random_values<float>(s.out_channels * s.patch(), 2);
  const auto dy = random_values<float>(s.rows() * s.out_channels, 4);
  const int before = num_threads();
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    std::vector<float> y(dy.size());
    winograd_forward(s, x.data(), w.data(), nullptr, y.data());
    if (first.empty()) first = y;
    EXPECT_EQ(y, first) << threads << " threads";
    std::vector<float> dw(w.size()), again(w.size());
    winograd_weight_gradient(s, x.data(), dy.data(), dw.data());
    winograd_weight_gradient(s, x.data(), dy.data(), again.data());
    EXPECT_EQ(dw, again) << threads << " threads";
  }
  set_num_threads(before);
}

TEST(Winograd, LetsNotANumberThrough) {
  const ConvSizes s = shapes[0];
  auto x = random_values<float>(s.batch * s.in_h * s.in_w * s.in_channels, 1);
  const auto w = random_values<float>(s.out_channels * s.patch(), 2);
  x[0] = NAN;
  std::vector<float> y(s.rows() * s.out_channels);
  winograd_forward(s, x.data(), w.data(), nullptr, y.data());
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_FALSE(std::isnan(y.back()));
}

TEST(Winograd, FitsOnlyWhatItComputes) {
  const ConvSizes good = sizes(8, 16, 16, 64, 64, 1, 1, 1, 1);
  EXPECT_TRUE(winograd_fits(good));
  EXPECT_TRUE(winograd_pays(good));
  const auto without = [&](auto change) {
    ConvSizes s = good;
    change(s);
    return winograd_fits(s);
  };
  EXPECT_FALSE(without([](ConvSizes& s) { s.window.kernel_w = 5; }));
  EXPECT_FALSE(without([](ConvSizes& s) { s.window.stride_h = 2; }));
  EXPECT_FALSE(without([](ConvSizes& s) { s.window.dilation_w = 2; }));
  EXPECT_FALSE(without([](ConvSizes& s) { s.window.groups = 2; }));
  EXPECT_FALSE(without([](ConvSizes& s) { s.window.pad_left = 3; }));
  EXPECT_FALSE(without([](ConvSizes& s) { s.in_channels = 72; }));
  EXPECT_FALSE(without([](ConvSizes& s) { s.out_channels = 8; }));
}

TEST(Winograd, PaysForManyChannelsAndWholeTiles) {
  EXPECT_FALSE(winograd_pays(sizes(128, 32, 32, 32, 32, 1, 1, 1, 1)));
  EXPECT_FALSE(winograd_pays(sizes(128, 5, 5, 64, 64, 1, 1, 1, 1)));
  EXPECT_FALSE(winograd_pays(sizes(1, 8, 8, 64, 64, 1, 1, 1, 1)));
}

}  // namespace
}  // namespace mjolnir::kernels
