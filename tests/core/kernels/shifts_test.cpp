#include "core/kernels/shifts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include <mjolnir/core/random.h>

#include "core/kernels/gram.h"

namespace mjolnir {
namespace {

kernels::ConvSizes sizes_of(std::int64_t n, std::int64_t h, std::int64_t w,
                            std::int64_t c, std::int64_t kh, std::int64_t kw,
                            Padding4 pad, std::int64_t dh, std::int64_t dw) {
  kernels::ConvSizes sizes;
  sizes.batch = n;
  sizes.in_h = h;
  sizes.in_w = w;
  sizes.in_channels = c;
  sizes.out_channels = 1;
  sizes.window.kernel_h = kh;
  sizes.window.kernel_w = kw;
  sizes.window.pad_top = pad[0];
  sizes.window.pad_bottom = pad[1];
  sizes.window.pad_left = pad[2];
  sizes.window.pad_right = pad[3];
  sizes.window.dilation_h = dh;
  sizes.window.dilation_w = dw;
  return sizes;
}

template <class T>
void expect_the_patches_sum(const kernels::ConvSizes& sizes, double tolerance) {
  Generator rng(1);
  std::vector<T> x(
      std::size_t(sizes.batch * sizes.in_h * sizes.in_w * sizes.in_channels));
  for (T& value : x) value = T(rng.normal() + 0.5);
  const auto d = std::size_t(sizes.patch());
  std::vector<T> s(d * d, T(2));
  kernels::add_shift_gram(sizes, x.data(), s.data());
  // The definition, in double, through single patches.
  std::vector<double> expected(d * d, 2);
  std::vector<T> patch(d);
  for (std::int64_t r = 0; r < sizes.rows(); ++r) {
    kernels::gather_patches(sizes, 0, x.data(), r, r + 1, patch.data());
    for (std::size_t i = 0; i < d; ++i)
      for (std::size_t j = 0; j < d; ++j)
        expected[i * d + j] += double(patch[i]) * double(patch[j]);
  }
  double largest = 0;
  for (const double e : expected) largest = std::max(largest, std::abs(e));
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t j = 0; j < d; ++j) {
      ASSERT_NEAR(double(s[i * d + j]), expected[i * d + j],
                  tolerance * largest)
          << i << " " << j;
      ASSERT_EQ(s[i * d + j], s[j * d + i]);
    }
}

TEST(Shifts, AreTheSumOverPatches) {
  for (const std::int64_t kh : {1, 2, 3, 5})
    for (const std::int64_t kw : {1, 2, 3})
      for (const std::int64_t pad : {0, 1, 2})
        for (const std::int64_t dilation : {1, 2})
          expect_the_patches_sum<double>(
              sizes_of(2, 9, 11, 3, kh, kw, {pad, 0, 1, pad}, dilation,
                       3 - dilation),
              1e-13);
  // Padding wider than the window's reach, one image, one channel.
  expect_the_patches_sum<double>(sizes_of(1, 8, 7, 1, 3, 2, {4, 5, 3, 0}, 1, 1),
                                 1e-13);
}

TEST(Shifts, AreRightInSinglePrecisionAndInManyChunks) {
  // An image in its frame takes 90 kB: 30 of them are several chunks of 1 MB.
  // f32: 8 eps sqrt(K), eps = 6e-8, for sums of K terms.
  const kernels::ConvSizes sizes =
      sizes_of(30, 33, 30, 20, 3, 2, {1, 1, 1, 0}, 1, 1);
  expect_the_patches_sum<float>(sizes,
                                8 * 6e-8 * std::sqrt(double(sizes.rows())));
}

TEST(Shifts, KeepWithinTheirMemory) {
  // A thread's accumulators of all terms are 29 products of 64 x 64 floats,
  // and a row of x is 4 kB: within a limit that holds few of them the sum is
  // the same.
  const kernels::ConvSizes sizes =
      sizes_of(3, 12, 16, 64, 3, 3, {1, 1, 1, 1}, 1, 1);
  Generator rng(2);
  std::vector<double> x(std::size_t(sizes.batch * 12 * 16 * 64));
  for (double& value : x) value = rng.normal();
  const auto d = std::size_t(sizes.patch());
  std::vector<double> expected(d * d);
  kernels::add_patch_gram(sizes, x.data(), expected.data());
  for (const std::int64_t limit : {4 << 20, 1 << 20, 300 << 10, 0}) {
    std::vector<double> s(d * d);
    kernels::add_shift_gram(sizes, x.data(), s.data(), limit);
    for (std::size_t i = 0; i < d * d; ++i)
      ASSERT_NEAR(s[i], expected[i], 1e-10);
    const auto cost = kernels::shift_gram_cost(sizes, sizeof(double), limit);
    if (limit >= 300 << 10) {
      EXPECT_LE(cost.scratch_bytes, limit);
    }
  }
}

}  // namespace
}  // namespace mjolnir
