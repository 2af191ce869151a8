#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/threads.h>

#include <functional>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "core/kernels/batch_norm_relu.h"
#include "core/kernels/columns.h"
#include "core/kernels/conv.h"
#include "core/kernels/energy.h"
#include "core/kernels/gram.h"
#include "core/kernels/index.h"
#include "core/kernels/loss.h"
#include "core/kernels/norm.h"
#include "core/kernels/pool.h"
#include "core/kernels/rows.h"
#include "core/kernels/shifts.h"
#include "core/kernels/sums.h"
#include "core/kernels/winograd.h"

namespace mjolnir::kernels {
namespace {

// A kernel with a parallel region fails in one of two ways.
//
// It asks for memory: always before its region starts, so that working memory
// beyond any address space arrives as std::bad_alloc with nothing written. Two
// ask for an amount that no length makes large (a sum's partial results, add_
// gram's one matrix a thread) and cannot be made to fail here.
//
// Or it calls something that throws within the region: the products of gemm,
// for a length that BLAS cannot count. parallel_for carries that out.
//
// What the regions of the others do cannot throw: they read and write numbers
// through pointers and call <cmath> (elementwise, softmax, dropout, gather and
// embedding, copies and transpositions, repeat_row, mean_rows, arg max).
class ParallelKernelFailure : public ::testing::Test {
 protected:
  void SetUp() override { set_num_threads(2); }
  void TearDown() override { set_num_threads(threads_); }

 private:
  int threads_ = num_threads();
};

constexpr std::int64_t enormous = std::int64_t{1} << 58;

ConvSizes image(std::int64_t channels) {
  ConvSizes s;
  s.batch = 2;
  s.in_h = s.in_w = 1;
  s.in_channels = s.out_channels = channels;
  return s;
}

ConvSizes enormous_window() {
  ConvSizes s = image(1);
  s.window.kernel_h = s.window.kernel_w = std::int64_t{1} << 29;
  s.window.pad_top = s.window.pad_left = std::int64_t{1} << 29;
  return s;
}

// 5x5 windows around each pixel: more than 16 cells, so sums in double.
ConvSizes enormous_image() {
  ConvSizes s = image(std::int64_t{1} << 50);
  s.window.kernel_h = s.window.kernel_w = 5;
  s.window.pad_top = s.window.pad_bottom = 4;
  s.window.pad_left = s.window.pad_right = 4;
  return s;
}

ConvSizes enormous_winograd() {
  ConvSizes s = image(std::int64_t{1} << 27);
  s.window.kernel_h = s.window.kernel_w = 3;
  s.window.pad_top = s.window.pad_bottom = 1;
  s.window.pad_left = s.window.pad_right = 1;
  return s;
}

TEST_F(ParallelKernelFailure, ArrivesWhereMemoryRunsOut) {
  const float x = 0;
  const double wide = 0;
  const std::int64_t id = 0;
  const Targets<float> labels{&id, nullptr, 0.0};
  float y = 0;
  double sums = 0;
  Conv2dGeometry window;
  LoopNest one;
  one.rank = one.operands = 1;
  one.lengths[0] = 1;
  const std::vector<std::pair<std::string, std::function<void()>>> kernels{
      {"conv2d_forward",
       [&] { conv2d_forward(enormous_window(), &x, &x, &x, &y); }},
      {"conv2d_input_gradient",
       [&] { conv2d_input_gradient(enormous_window(), &x, &x, &y); }},
      {"conv2d_weight_gradient",
       [&] {
         ConvSizes s = image(std::int64_t{1} << 30);
         s.batch = 4;
         conv2d_weight_gradient(s, &x, &x, &y);
       }},
      {"winograd_forward",
       [&] { winograd_forward(enormous_winograd(), &x, &x, nullptr, &y); }},
      {"winograd_input_gradient",
       [&] { winograd_input_gradient(enormous_winograd(), &x, &x, &y); }},
      {"winograd_weight_gradient",
       [&] { winograd_weight_gradient(enormous_winograd(), &x, &x, &y); }},
      {"global_avg_pool_forward",
       [&] { global_avg_pool_forward(4, 1, enormous, &x, &y); }},
      {"avg_pool_forward", [&] { avg_pool_forward(enormous_image(), &x, &y); }},
      {"avg_pool_backward",
       [&] { avg_pool_backward(enormous_image(), &x, &y); }},
      {"max_pool_backward",
       [&] { max_pool_backward(enormous_image(), &x, &id, &y); }},
      {"column_moments",
       [&] { column_moments(2, enormous, &x, &sums, &sums); }},
      {"batch_norm_forward",
       [&] {
         batch_norm_forward<float>(2, enormous, &x, &wide, &wide, nullptr,
                                   nullptr, &y);
       }},
      {"batch_norm_backward",
       [&] {
         batch_norm_backward<float>(2, enormous, true, &x, &x, &wide, &wide,
                                    nullptr, &y, nullptr, nullptr);
       }},
      {"batch_norm_relu_forward",
       [&] {
         batch_norm_relu_forward<float>(2, enormous, {&wide, &wide}, &x,
                                        nullptr, &y);
       }},
      {"batch_norm_relu_backward",
       [&] {
         NormReluGradient<float> to;
         to.x = to.dy = &x;
         to.dx = &y;
         batch_norm_relu_backward<float>(2, enormous, {&wide, &wide}, to);
       }},
      {"layer_norm_backward",
       [&] {
         layer_norm_backward<float>(2, enormous, &x, &x, &x, &x, nullptr,
                                    nullptr, &y, nullptr);
       }},
      {"sum_columns", [&] { sum_columns(2, enormous, &x, &y); }},
      {"cross_entropy", [&] { cross_entropy(2, enormous, &x, labels, &y); }},
      {"cross_entropy_fast",
       [&] { cross_entropy_fast(2, enormous, &x, labels, &y); }},
      {"embedding_gradient",
       [&] { embedding_gradient(1, enormous, 1, &id, &x, &y); }},
      {"scatter_add", [&] { scatter_add(one, 1, 17, &id, &x, enormous, &y); }},
      {"dot", [&] { dot(std::int64_t{1} << 62, &x, &x); }},
      {"patch_energy", [&] { patch_energy(1, enormous, 1, 1, window, &x); }},
      {"add_patch_gram",
       [&] {
         ConvSizes s = image(1);
         s.window.kernel_h = s.window.kernel_w = std::int64_t{1} << 25;
         s.window.pad_top = s.window.pad_left = std::int64_t{1} << 25;
         add_patch_gram(s, &x, &y);
       }},
      {"add_row_gram",
       [&] { add_row_gram(image(std::int64_t{1} << 28), &x, &y); }},
      {"add_shift_gram",
       [&] { add_shift_gram(image(std::int64_t{1} << 28), &x, &y); }},
  };
  for (const auto& [name, call] : kernels) {
    SCOPED_TRACE(name);
    EXPECT_THROW(call(), std::bad_alloc);
    EXPECT_EQ(y, 0);
  }
}

// More outputs than BLAS can count, and enough positions for two tiles. With a
// 1x1 window the patches are x itself, which nobody reads.
TEST_F(ParallelKernelFailure, ArrivesFromAProductWithinTheRegion) {
  const double x = 0;
  double y = 0;
  ConvSizes s = image(1);
  s.batch = 200000;
  s.out_channels = std::int64_t{1} << 31;
  EXPECT_THROW(conv2d_forward<double>(s, &x, &x, nullptr, &y), ShapeError);
  const float a = 0;
  float b = 0;
  EXPECT_THROW(conv2d_forward<float>(s, &a, &a, nullptr, &b, gemm_blas<float>),
               ShapeError);
}

// A product that is the caller's own.
TEST_F(ParallelKernelFailure, ArrivesFromEveryConvolutionOnce) {
  const auto fails = [](bool, bool, std::int64_t, std::int64_t, std::int64_t,
                        float, const float*, std::int64_t, const float*,
                        std::int64_t, float, float*, std::int64_t) {
    throw ValueError("[test] the product failed");
  };
  ConvSizes s = image(1);
  s.batch = 200000;
  const std::vector<float> x(static_cast<std::size_t>(s.batch), 1.0f);
  std::vector<float> y = x;
  const float w = 1;
  float dw = 0;
  const auto failed = ::testing::ThrowsMessage<ValueError>(
      ::testing::HasSubstr("the product failed"));
  EXPECT_THAT(
      [&] { conv2d_forward<float>(s, x.data(), &w, nullptr, y.data(), fails); },
      failed);
  EXPECT_THAT(
      [&] { conv2d_input_gradient<float>(s, x.data(), &w, y.data(), fails); },
      failed);
  EXPECT_THAT(
      [&] { conv2d_weight_gradient<float>(s, x.data(), x.data(), &dw, fails); },
      failed);
}

}  // namespace
}  // namespace mjolnir::kernels
