// The example of MindSpore's documentation, in full size: its patch matrix
// would take 5 GB.
#include <gtest/gtest.h>

#include <cmath>

#include <mjolnir/core/allocator.h>
#include <mjolnir/core/random.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/patch_covariance.h>

namespace mjolnir {
namespace {

TEST(DocumentationsExample, NeedsUnder50MegabytesOfScratch) {
  const int threads = num_threads();
  set_num_threads(2);
  Generator rng(1);
  Conv2dThorOptions options;
  options.in_channels = 120;
  options.out_channels = 240;
  options.kernel_size = 4;
  const Conv2dThor conv(options, rng);
  // x (1,120,1024,640) is 1 in one channel and row, 0 elsewhere: then
  // S_A[(i,j,c),(k,l,e)] counts the window positions with both cells there.
  const std::int64_t row = 500;
  const std::int64_t channel = 77;
  const Tensor x =
      Tensor::zeros({1, 120, 1024, 640}, {DType::F32, Layout::ChannelsLast});
  float* pixels = x.mutable_data<float>();
  for (std::int64_t w = 0; w < 640; ++w)
    pixels[(row * 640 + w) * 120 + channel] = 1;

  reset_allocator_peak();
  const std::size_t before = allocator_statistics().in_use;
  const Tensor s = patch_covariance(x, conv.window(1024, 640));
  const std::size_t scratch =
      allocator_statistics().peak - before - 1920 * 1920 * sizeof(float);
  set_num_threads(threads);
  EXPECT_LT(scratch, std::size_t{50} * 1000 * 1000);

  ASSERT_EQ(s.shape(), (Shape{1920, 1920}));
  const float* sums = s.data<float>();
  for (std::int64_t p = 0; p < 1920; ++p)
    for (std::int64_t q = 0; q < 1920; ++q) {
      const bool here = p % 120 == channel && q % 120 == channel;
      const std::int64_t i = p / 480, j = p / 120 % 4;
      const std::int64_t k = q / 480, l = q / 120 % 4;
      // One window row has its cell row i on the image row; its columns are
      // those where both j - 1 and l - 1 stay inside the 640.
      const std::int64_t left = std::max<std::int64_t>({0, 1 - j, 1 - l});
      const std::int64_t right = std::max<std::int64_t>({0, j - 1, l - 1});
      const double expected = here && i == k ? double(640 - left - right) : 0;
      ASSERT_EQ(sums[p * 1920 + q], expected) << p << " " << q;
    }
}

}  // namespace
}  // namespace mjolnir
