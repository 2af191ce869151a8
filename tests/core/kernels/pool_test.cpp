#include "core/kernels/pool.h"

#include <set>

#include "tests/core/kernels/kernel_test.h"

namespace mjolnir::kernels {
namespace {

using testing::expect_close;
using testing::Expected;
using testing::random_values;

ConvSizes pool(std::int64_t batch, std::int64_t h, std::int64_t w,
               std::int64_t channels, Conv2dGeometry window) {
  ConvSizes s;
  s.batch = batch;
  s.in_h = h;
  s.in_w = w;
  s.in_channels = s.out_channels = channels;
  s.window = window;
  return s;
}

// {kh, kw, sh, sw, top, bottom, left, right, dh, dw, groups}
const ConvSizes pools[] = {
    pool(2, 6, 4, 3, {2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 1}),
    pool(1, 7, 5, 2, {3, 2, 2, 1, 1, 1, 0, 1, 1, 1, 1}),
    pool(3, 9, 8, 5, {3, 3, 1, 3, 2, 0, 1, 2, 2, 1, 1}),
    pool(2, 4, 3, 17, {4, 3, 1, 1, 0, 0, 0, 0, 1, 1, 1}),
};

// Calls f(x index, y index) for the cells of each window inside the image.
template <class F>
void for_each_cell(const ConvSizes& s, F f) {
  const Conv2dGeometry& g = s.window;
  for (std::int64_t y = 0; y < s.rows() * s.in_channels; ++y) {
    const std::int64_t c = y % s.in_channels, r = y / s.in_channels;
    const std::int64_t w = r % s.out_w(), h = r / s.out_w() % s.out_h();
    const std::int64_t n = r / s.out_w() / s.out_h();
    for (std::int64_t i = 0; i < g.kernel_h; ++i) {
      for (std::int64_t j = 0; j < g.kernel_w; ++j) {
        const std::int64_t row = h * g.stride_h - g.pad_top + i * g.dilation_h;
        const std::int64_t column =
            w * g.stride_w - g.pad_left + j * g.dilation_w;
        if (row < 0 || row >= s.in_h) continue;
        if (column < 0 || column >= s.in_w) continue;
        f(((n * s.in_h + row) * s.in_w + column) * s.in_channels + c, y);
      }
    }
  }
}

template <class T>
void check_max(const ConvSizes& s) {
  const std::int64_t inputs = s.batch * s.in_h * s.in_w * s.in_channels;
  const std::int64_t outputs = s.rows() * s.in_channels;
  // All below zero: a padded cell that counted as zero would win.
  auto x = random_values<T>(inputs, 1);
  for (T& value : x) value = -std::abs(value) - 1;
  const auto dy = random_values<T>(outputs, 2);
  std::vector<T> best(outputs, -std::numeric_limits<T>::infinity());
  std::vector<std::int64_t> where(outputs, -1);
  for_each_cell(s, [&](std::int64_t from, std::int64_t to) {
    if (x[from] > best[to]) best[to] = x[from], where[to] = from;
  });
  Expected expected_dx(inputs);
  for (std::int64_t i = 0; i < outputs; ++i) expected_dx.add(where[i], dy[i]);

  std::vector<T> y(outputs), dx(inputs, T(5)), gathered(outputs);
  std::vector<std::int64_t> index(outputs);
  max_pool_forward(s, x.data(), y.data(), index.data());
  EXPECT_EQ(y, best);
  EXPECT_EQ(index, where);
  max_pool_backward(s, dy.data(), index.data(), dx.data());
  expect_close(dx, expected_dx);
  gather_elements(outputs, x.data(), index.data(), gathered.data());
  EXPECT_EQ(gathered, best);
}

TEST(MaxPoolKernel, MatchesTheDefinition) {
  for (const ConvSizes& s : pools) {
    check_max<float>(s);
    check_max<double>(s);
  }
}

TEST(MaxPoolKernel, FirstOfEqualsWins) {
  const ConvSizes s = pool(1, 2, 3, 1, {2, 3, 1, 1, 0, 0, 0, 0, 1, 1, 1});
  const std::vector<float> x{1, 4, 2, 4, 3, 4};
  float y = 0;
  std::int64_t index = -1;
  max_pool_forward(s, x.data(), &y, &index);
  EXPECT_EQ(y, 4);
  EXPECT_EQ(index, 1);
}

TEST(MaxPoolKernel, FirstNotANumberWins) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const ConvSizes s = pool(1, 1, 4, 1, {1, 4, 1, 1, 0, 0, 0, 0, 1, 1, 1});
  for (std::int64_t at = 0; at < 3; ++at) {
    std::vector<float> x{1, 2, 3, nan};
    x[at] = nan;
    float y = 0;
    std::int64_t index = -1;
    max_pool_forward(s, x.data(), &y, &index);
    EXPECT_TRUE(std::isnan(y));
    EXPECT_EQ(index, at);
  }
}

TEST(MaxPoolKernel, MinusInfinityIsAValue) {
  const float low = -std::numeric_limits<float>::infinity();
  const ConvSizes s = pool(1, 1, 2, 1, {1, 2, 1, 1, 0, 0, 0, 0, 1, 1, 1});
  const std::vector<float> x{low, low};
  float y = 0;
  std::int64_t index = -1;
  max_pool_forward(s, x.data(), &y, &index);
  EXPECT_EQ(y, low);
  EXPECT_EQ(index, 0);
}

template <class T>
void check_avg(const ConvSizes& s) {
  const std::int64_t inputs = s.batch * s.in_h * s.in_w * s.in_channels;
  const std::int64_t outputs = s.rows() * s.in_channels;
  const auto x = random_values<T>(inputs, 3), dy = random_values<T>(outputs, 4);
  const double cells = double(s.window.kernel_h * s.window.kernel_w);
  Expected expected_y(outputs), expected_dx(inputs);
  for_each_cell(s, [&](std::int64_t from, std::int64_t to) {
    expected_y.add(to, double(x[from]) / cells);
    expected_dx.add(from, double(dy[to]) / cells);
  });
  std::vector<T> y(outputs), dx(inputs, T(5));
  avg_pool_forward(s, x.data(), y.data());
  expect_close(y, expected_y);
  avg_pool_backward(s, dy.data(), dx.data());
  expect_close(dx, expected_dx);
}

TEST(AvgPoolKernel, MatchesTheDefinition) {
  for (const ConvSizes& s : pools) {
    check_avg<float>(s);
    check_avg<double>(s);
  }
}

TEST(GlobalAvgPoolKernel, MatchesTheDefinition) {
  const std::int64_t N = 3, P = 35, C = 6;
  const auto x = random_values<float>(N * P * C, 5);
  const auto dy = random_values<float>(N * C, 6);
  Expected expected_y(N * C), expected_dx(N * P * C);
  for (std::int64_t i = 0; i < N * P * C; ++i) {
    const std::int64_t at = i / C / P * C + i % C;
    expected_y.add(at, double(x[i]) / double(P));
    expected_dx.add(i, double(dy[at]) / double(P));
  }
  std::vector<float> y(N * C), dx(N * P * C);
  global_avg_pool_forward(N, P, C, x.data(), y.data());
  expect_close(y, expected_y);
  global_avg_pool_backward(N, P, C, dy.data(), dx.data());
  expect_close(dx, expected_dx);
}

}  // namespace
}  // namespace mjolnir::kernels
