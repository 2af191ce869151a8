#include <gtest/gtest.h>
#include <mjolnir/core/threads.h>

#include <new>

#include "core/kernels/conv.h"
#include "core/kernels/pool.h"

namespace mjolnir::kernels {
namespace {

// Working memory beyond any address space: asking for it fails on the threads
// of a parallel region, and must arrive here as an exception.
class ParallelKernelFailure : public ::testing::Test {
 protected:
  void SetUp() override { set_num_threads(2); }
  void TearDown() override { set_num_threads(threads_); }

  static ConvSizes enormous_window() {
    ConvSizes s;
    s.batch = 2;
    s.in_h = s.in_w = 1;
    s.in_channels = s.out_channels = 1;
    s.window.kernel_h = s.window.kernel_w = std::int64_t{1} << 29;
    s.window.pad_top = s.window.pad_left = std::int64_t{1} << 29;
    return s;
  }

 private:
  int threads_ = num_threads();
};

TEST_F(ParallelKernelFailure, ArrivesFromConvolution) {
  const float x = 0;
  float y = 0;
  EXPECT_THROW(conv2d_forward(enormous_window(), &x, &x, &x, &y),
               std::bad_alloc);
}

TEST_F(ParallelKernelFailure, ArrivesFromTheInputGradient) {
  const float x = 0;
  float y = 0;
  EXPECT_THROW(conv2d_input_gradient(enormous_window(), &x, &x, &y),
               std::bad_alloc);
}

TEST_F(ParallelKernelFailure, ArrivesFromGlobalPooling) {
  const float x = 0;
  float y = 0;
  EXPECT_THROW(global_avg_pool_forward(4, 1, std::int64_t{1} << 58, &x, &y),
               std::bad_alloc);
}

}  // namespace
}  // namespace mjolnir::kernels
