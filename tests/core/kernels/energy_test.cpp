#include "core/kernels/energy.h"

#include <cmath>
#include <limits>
#include <vector>

#include <mjolnir/core/threads.h>

#include "tests/core/kernels/kernel_test.h"

namespace mjolnir {
namespace {

struct Case {
  std::int64_t batch, height, width, channels;
  Conv2dGeometry window;
};

Conv2dGeometry window(std::int64_t kernel_h, std::int64_t kernel_w,
                      std::int64_t stride, std::int64_t dilation,
                      std::int64_t pad_top, std::int64_t pad_right) {
  Conv2dGeometry w;
  w.kernel_h = kernel_h;
  w.kernel_w = kernel_w;
  w.stride_h = w.stride_w = stride;
  w.dilation_h = w.dilation_w = dilation;
  w.pad_top = pad_top;
  w.pad_right = pad_right;
  return w;
}

// Below, at and above one line of the kernel's sums; uneven in every axis.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::int64_t channels : {1, 3, 16, 21, 48}) {
    all.push_back({2, 7, 5, channels, window(1, 1, 1, 1, 0, 0)});
    all.push_back({1, 7, 6, channels, window(3, 3, 1, 1, 1, 1)});
    all.push_back({2, 6, 9, channels, window(3, 2, 2, 1, 0, 1)});
    all.push_back({1, 9, 8, channels, window(2, 3, 1, 2, 3, 0)});
    all.push_back({2, 7, 8, channels, window(1, 1, 3, 1, 0, 0)});
  }
  return all;
}

// The definition: every window position, every pixel of its patch.
template <class T>
double naive(const Case& c, const std::vector<T>& x) {
  const Conv2dGeometry& w = c.window;
  long double sum = 0;
  for (std::int64_t n = 0; n < c.batch; ++n)
    for (std::int64_t p = 0; p < w.out_h(c.height); ++p)
      for (std::int64_t q = 0; q < w.out_w(c.width); ++q)
        for (std::int64_t i = 0; i < w.kernel_h; ++i)
          for (std::int64_t j = 0; j < w.kernel_w; ++j) {
            const std::int64_t h =
                p * w.stride_h - w.pad_top + i * w.dilation_h;
            const std::int64_t v =
                q * w.stride_w - w.pad_left + j * w.dilation_w;
            if (h < 0 || h >= c.height || v < 0 || v >= c.width) continue;
            for (std::int64_t k = 0; k < c.channels; ++k) {
              const auto at = static_cast<std::size_t>(
                  ((n * c.height + h) * c.width + v) * c.channels + k);
              sum += static_cast<long double>(x[at]) *
                     static_cast<long double>(x[at]);
            }
          }
  return static_cast<double>(sum);
}

template <class T>
double energy_of(const Case& c, const std::vector<T>& x) {
  return kernels::patch_energy<T>(c.batch, c.height, c.width, c.channels,
                                  c.window, x.data());
}

template <class T>
void expect_the_definition() {
  unsigned seed = 1;
  for (const Case& c : cases()) {
    const auto x = testing::random_values<T>(
        c.batch * c.height * c.width * c.channels, seed++);
    const double expected = naive(c, x);
    // Sums of positive terms in double: a few roundings a term, at most 2^13
    // terms in a chain.
    EXPECT_NEAR(energy_of(c, x), expected, 1e-12 * expected)
        << c.channels << " channels, kernel " << c.window.kernel_h << "x"
        << c.window.kernel_w << ", stride " << c.window.stride_h;
  }
}

TEST(PatchEnergy, IsTheSumOverWindowsOfTheirSquares) {
  expect_the_definition<float>();
  expect_the_definition<double>();
}

TEST(PatchEnergy, DoesNotReadWhatNoWindowCovers) {
  // A 1x1 window of stride 2: rows and columns 1, 3, ... are in no patch.
  const Case c{1, 5, 6, 17, window(1, 1, 2, 1, 0, 0)};
  auto x = testing::random_values<float>(c.height * c.width * c.channels, 7);
  const double before = energy_of(c, x);
  for (std::int64_t pixel = 0; pixel < c.height * c.width; ++pixel)
    if (pixel / c.width % 2 == 1 || pixel % c.width % 2 == 1)
      for (std::int64_t k = 0; k < c.channels; ++k)
        x[static_cast<std::size_t>(pixel * c.channels + k)] =
            std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(energy_of(c, x), before);
  x[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(energy_of(c, x)));
}

TEST(PatchEnergy, HasTheSameBitsForAnyNumberOfThreads) {
  const Case c{3, 33, 31, 24, window(3, 3, 1, 1, 1, 1)};
  const auto x = testing::random_values<float>(
      c.batch * c.height * c.width * c.channels, 9);
  const int threads = num_threads();
  set_num_threads(1);
  const double one = energy_of(c, x);
  for (const int count : {2, 3, 5}) {
    set_num_threads(count);
    EXPECT_EQ(energy_of(c, x), one) << count << " threads";
  }
  set_num_threads(threads);
}

}  // namespace
}  // namespace mjolnir
