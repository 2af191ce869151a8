#include <mjolnir/core/allocator.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/layers/patch_covariance.h>

#include "tests/layers/naive_factors.h"
#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using testing::naive_patch_gram;
using testing::relative_error;
using testing::values_of;
using testing::weight_order;

struct Case {
  Shape shape;
  Conv2dGeometry window;
};

Conv2dGeometry window(std::int64_t kh, std::int64_t kw, std::int64_t sh,
                      std::int64_t sw, Padding4 pad, std::int64_t dh,
                      std::int64_t dw) {
  Conv2dGeometry w;
  w.kernel_h = kh;
  w.kernel_w = kw;
  w.stride_h = sh;
  w.stride_w = sw;
  w.pad_top = pad[0];
  w.pad_bottom = pad[1];
  w.pad_left = pad[2];
  w.pad_right = pad[3];
  w.dilation_h = dh;
  w.dilation_w = dw;
  return w;
}

void expect_definition(const Case& c, Generator& rng) {
  for (const Layout layout : {Layout::RowMajor, Layout::ChannelsLast}) {
    const Tensor x = testing::random_f64(c.shape, rng, layout);
    const std::vector<double> expected =
        naive_patch_gram(values_of(x), c.shape, c.window);
    const std::int64_t cells = c.window.kernel_h * c.window.kernel_w;
    const Tensor s = patch_covariance(x, c.window);
    EXPECT_LE(
        relative_error(weight_order(values_of(s), c.shape[1], cells), expected),
        1e-13)
        << c.shape.str();
    // f32: the result is a sum of P products; see style: 8 eps sqrt(P).
    const std::int64_t positions =
        c.shape[0] * c.window.out_h(c.shape[2]) * c.window.out_w(c.shape[3]);
    const Tensor f = patch_covariance(x.to(DType::F32), c.window);
    EXPECT_LE(
        relative_error(weight_order(values_of(f), c.shape[1], cells), expected),
        8 * 6e-8 * std::sqrt(double(positions)))
        << c.shape.str();
  }
}

TEST(PatchCovariance, IsTheSumOverPatches) {
  Generator rng(1);
  const std::vector<Case> cases{
      {{2, 3, 5, 7}, window(1, 1, 1, 1, {0, 0, 0, 0}, 1, 1)},
      {{1, 4, 5, 6}, window(1, 1, 2, 3, {0, 0, 0, 0}, 1, 1)},
      {{3, 2, 7, 5}, window(3, 3, 1, 1, {1, 1, 1, 1}, 1, 1)},
      {{2, 1, 4, 9}, window(2, 3, 1, 2, {0, 1, 2, 1}, 1, 1)},
      {{1, 5, 9, 8}, window(3, 2, 2, 1, {2, 0, 1, 1}, 2, 3)},
      {{2, 3, 6, 6}, window(5, 1, 1, 4, {4, 4, 0, 0}, 1, 1)},
      {{1, 2, 3, 3}, window(3, 3, 1, 1, {0, 0, 0, 0}, 1, 1)},
      {{4, 7, 3, 5}, window(2, 2, 3, 3, {1, 2, 0, 3}, 1, 2)},
      {{2, 33, 4, 5}, window(3, 2, 1, 1, {1, 1, 1, 0}, 1, 1)},
  };
  for (const Case& c : cases) expect_definition(c, rng);
}

TEST(PatchCovariance, IsTheSumOverPatchesForRandomWindows) {
  Generator rng(2);
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return low + std::int64_t(rng.below(std::uint64_t(high - low + 1)));
  };
  for (int trial = 0; trial < 40; ++trial) {
    Case c;
    c.window =
        window(between(1, 4), between(1, 4), between(1, 3), between(1, 3),
               {between(0, 3), between(0, 3), between(0, 3), between(0, 3)},
               between(1, 2), between(1, 3));
    c.shape = {between(1, 3), between(1, 6),
               between(1, 6) + c.window.dilation_h * (c.window.kernel_h - 1),
               between(1, 6) + c.window.dilation_w * (c.window.kernel_w - 1)};
    expect_definition(c, rng);
  }
}

TEST(PatchCovariance, CrossesTileAndBlockBorders) {
  // D = 9 * 48 = 432 columns are more than one block; 2 * 60 * 61 positions of
  // 432 floats are more than one tile.
  Generator rng(3);
  const Conv2dGeometry w = window(3, 3, 1, 1, {1, 1, 1, 1}, 1, 1);
  const Tensor x = testing::random_f64({2, 48, 60, 61}, rng);
  const Tensor s = patch_covariance(x, w);
  const std::vector<double> sums = values_of(s);
  // Spot checks against the definition: some rows of the matrix, in full.
  const std::vector<double> v = values_of(x);
  const std::size_t d = 432;
  std::vector<double> expected(d * d);
  std::vector<double> actual(d * d);
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t h = 0; h < 60; ++h)
      for (std::int64_t c = 0; c < 61; ++c) {
        const std::vector<double> patch =
            testing::naive_patch(v, x.shape(), w, n, h, c);
        for (const std::size_t row : {0, 100, 191, 192, 431})
          for (std::size_t j = 0; j < d; ++j)
            expected[row * d + j] += patch[row] * patch[j];
      }
  const std::vector<double> ordered = weight_order(sums, 48, 9);
  for (const std::size_t row : {0, 100, 191, 192, 431})
    for (std::size_t j = 0; j < d; ++j)
      actual[row * d + j] = ordered[row * d + j];
  EXPECT_LE(relative_error(actual, expected), 1e-12);
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t j = 0; j < i; ++j)
      ASSERT_EQ(sums[i * d + j], sums[j * d + i]);
  EXPECT_LE(relative_error(patch_covariance(x.to(DType::F32), w), s),
            8 * 6e-8 * std::sqrt(2.0 * 60 * 61));
}

TEST(PatchCovariance, AddsToWhatIsThere) {
  Generator rng(4);
  const Conv2dGeometry w = window(2, 3, 1, 1, {1, 0, 1, 1}, 1, 1);
  const Tensor x = testing::random_f64({1, 2, 4, 5}, rng);
  const Tensor y = testing::random_f64({3, 2, 6, 4}, rng);
  const Tensor s = patch_covariance(x, w);
  add_patch_covariance(y, w, s);
  std::vector<double> expected = values_of(patch_covariance(x, w));
  const std::vector<double> more = values_of(patch_covariance(y, w));
  for (std::size_t i = 0; i < more.size(); ++i) expected[i] += more[i];
  EXPECT_LE(relative_error(values_of(s), expected), 1e-14);
}

TEST(PatchCovariance, RunsTwiceToTheSameBits) {
  Generator rng(5);
  const Conv2dGeometry w = window(3, 3, 1, 1, {1, 1, 1, 1}, 1, 1);
  const Tensor x = normal({4, 16, 33, 31}, 0, 1, rng);
  EXPECT_TRUE(
      testing::bit_equal(patch_covariance(x, w), patch_covariance(x, w)));
}

TEST(PatchCovariance, ScratchIsATileWhateverTheImage) {
  const int threads = num_threads();
  set_num_threads(2);
  Generator rng(6);
  const Conv2dGeometry w = window(4, 4, 1, 1, {1, 2, 1, 2}, 1, 1);
  const Tensor x =
      normal({1, 24, 256, 160}, 0, 1, rng, {DType::F32, Layout::ChannelsLast});
  reset_allocator_peak();
  const std::size_t before = allocator_statistics().in_use;
  const Tensor s = patch_covariance(x, w);
  const std::size_t scratch =
      allocator_statistics().peak - before - 384 * 384 * sizeof(float);
  set_num_threads(threads);
  EXPECT_LE(scratch, std::size_t{6} << 20);
  // The patch matrix would be 256 * 160 * 384 floats, 63 MB.
}

TEST(PatchCovariance, Refusals) {
  const Tensor x = Tensor::zeros({1, 2, 3, 3});
  Conv2dGeometry w = window(4, 1, 1, 1, {0, 0, 0, 0}, 1, 1);
  EXPECT_THROW(patch_covariance(x, w), ShapeError);
  w.kernel_h = 1;
  EXPECT_THROW(patch_covariance(Tensor::zeros({2, 3, 3}), w), ShapeError);
  EXPECT_THROW(patch_covariance(Tensor::zeros({1, 2, 3, 3}, {DType::I64}), w),
               ValueError);
  EXPECT_THROW(add_patch_covariance(x, w, Tensor::zeros({3, 3})), ShapeError);
  EXPECT_THROW(add_patch_covariance(x, w, Tensor::zeros({2, 2}, {DType::F64})),
               ValueError);
  w.groups = 3;
  EXPECT_THROW(patch_covariance(x, w), ValueError);
}

}  // namespace
}  // namespace mjolnir
