#include "core/kernels/conv.h"

#include <mjolnir/core/backend.h>
#include <mjolnir/core/threads.h>

#include "core/kernels/onednn.h"
#include "tests/core/kernels/kernel_test.h"

namespace mjolnir::kernels {
namespace {

using testing::expect_close;
using testing::Expected;
using testing::random_values;

struct ConvCase {
  const char* name;
  ConvSizes sizes;
  bool bias;
};

ConvSizes sizes(std::int64_t batch, std::int64_t h, std::int64_t w,
                std::int64_t in, std::int64_t out, Conv2dGeometry window) {
  ConvSizes s;
  s.batch = batch;
  s.in_h = h;
  s.in_w = w;
  s.in_channels = in;
  s.out_channels = out;
  s.window = window;
  return s;
}

// {kh, kw, sh, sw, top, bottom, left, right, dh, dw, groups}
const ConvCase cases[] = {
    {"plain", sizes(2, 5, 7, 3, 4, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}), true},
    {"pointwise", sizes(3, 4, 5, 6, 5, {}), false},
    {"pointwise_stride",
     sizes(2, 5, 6, 3, 7, {1, 1, 2, 3, 0, 0, 0, 0, 1, 1, 1}), true},
    {"asymmetric", sizes(1, 9, 6, 2, 5, {2, 3, 2, 1, 0, 1, 2, 1, 1, 2, 1}),
     true},
    {"dilated", sizes(2, 11, 8, 3, 2, {3, 2, 1, 2, 2, 0, 1, 1, 2, 3, 1}),
     false},
    {"groups", sizes(2, 6, 5, 6, 9, {3, 2, 1, 1, 1, 1, 0, 1, 1, 1, 3}), true},
    {"depthwise", sizes(1, 7, 6, 5, 5, {3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 5}),
     false},
    {"pointwise_groups",
     sizes(2, 3, 4, 6, 4, {1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 2}), true},
    {"padding_beyond_window",
     sizes(1, 3, 2, 2, 3, {2, 2, 1, 1, 4, 3, 5, 2, 1, 1, 1}), true},
    {"window_is_image", sizes(2, 4, 3, 3, 8, {4, 3, 1, 1, 0, 0, 0, 0, 1, 1, 1}),
     true},
    {"many_tiles", sizes(3, 33, 31, 16, 16, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}),
     true},
    {"stem", sizes(3, 28, 27, 1, 16, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}), false},
    {"narrow_shortcut",
     sizes(5, 16, 14, 8, 16, {1, 1, 2, 2, 0, 0, 0, 0, 1, 1, 1}), false},
    {"downsample", sizes(2, 16, 14, 16, 32, {3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1}),
     false},
};

// Calls f(x index, w index, y index) for every product of the convolution.
template <class F>
void for_each_product(const ConvSizes& s, F f) {
  const Conv2dGeometry& g = s.window;
  const std::int64_t Cg = s.in_channels / g.groups;
  const std::int64_t Og = s.out_channels / g.groups;
  for (std::int64_t n = 0; n < s.batch; ++n)
    for (std::int64_t h = 0; h < s.out_h(); ++h)
      for (std::int64_t w = 0; w < s.out_w(); ++w)
        for (std::int64_t o = 0; o < s.out_channels; ++o)
          for (std::int64_t i = 0; i < g.kernel_h; ++i)
            for (std::int64_t j = 0; j < g.kernel_w; ++j) {
              const std::int64_t row =
                  h * g.stride_h - g.pad_top + i * g.dilation_h;
              const std::int64_t column =
                  w * g.stride_w - g.pad_left + j * g.dilation_w;
              if (row < 0 || row >= s.in_h) continue;
              if (column < 0 || column >= s.in_w) continue;
              for (std::int64_t c = 0; c < Cg; ++c) {
                f(((n * s.in_h + row) * s.in_w + column) * s.in_channels +
                      o / Og * Cg + c,
                  ((o * g.kernel_h + i) * g.kernel_w + j) * Cg + c,
                  ((n * s.out_h() + h) * s.out_w() + w) * s.out_channels + o);
              }
            }
}

template <class T>
struct Buffers {
  explicit Buffers(const ConvSizes& s)
      : x(random_values<T>(s.batch * s.in_h * s.in_w * s.in_channels, 1)),
        w(random_values<T>(s.out_channels * s.patch(), 2)),
        b(random_values<T>(s.out_channels, 3)),
        dy(random_values<T>(s.rows() * s.out_channels, 4)) {}
  std::vector<T> x, w, b, dy;
};

// Garbage in a result that must be overwritten, not added to.
template <class T>
std::vector<T> garbage(std::size_t count) {
  return std::vector<T>(count, std::numeric_limits<T>::quiet_NaN());
}

template <class T>
Expected expected_forward(const ConvSizes& s, const Buffers<T>& data,
                          bool bias) {
  Expected y(static_cast<std::int64_t>(data.dy.size()));
  for_each_product(s, [&](std::int64_t x, std::int64_t w, std::int64_t at) {
    y.add(at, double(data.x[x]) * double(data.w[w]));
  });
  for (std::int64_t at = 0; bias && at < std::int64_t(data.dy.size()); ++at) {
    y.add(at, data.b[at % s.out_channels]);
  }
  return y;
}

template <class T>
Expected expected_input_gradient(const ConvSizes& s, const Buffers<T>& data) {
  Expected dx(static_cast<std::int64_t>(data.x.size()));
  for_each_product(s, [&](std::int64_t at, std::int64_t w, std::int64_t y) {
    dx.add(at, double(data.dy[y]) * double(data.w[w]));
  });
  return dx;
}

template <class T>
Expected expected_weight_gradient(const ConvSizes& s, const Buffers<T>& data) {
  Expected dw(static_cast<std::int64_t>(data.w.size()));
  for_each_product(s, [&](std::int64_t x, std::int64_t at, std::int64_t y) {
    dw.add(at, double(data.x[x]) * double(data.dy[y]));
  });
  return dw;
}

template <class T>
void check_reference(const ConvCase& test) {
  const ConvSizes& s = test.sizes;
  const Buffers<T> data(s);
  auto y = garbage<T>(data.dy.size());
  conv2d_forward(s, data.x.data(), data.w.data(),
                 test.bias ? data.b.data() : nullptr, y.data());
  expect_close(y, expected_forward(s, data, test.bias));
  auto dx = garbage<T>(data.x.size());
  conv2d_input_gradient(s, data.dy.data(), data.w.data(), dx.data());
  expect_close(dx, expected_input_gradient(s, data));
  auto dw = garbage<T>(data.w.size());
  conv2d_weight_gradient(s, data.x.data(), data.dy.data(), dw.data());
  expect_close(dw, expected_weight_gradient(s, data));
}

class ConvKernel : public ::testing::TestWithParam<ConvCase> {};

TEST_P(ConvKernel, ReferenceF32MatchesTheDefinition) {
  check_reference<float>(GetParam());
}

TEST_P(ConvKernel, ReferenceF64MatchesTheDefinition) {
  check_reference<double>(GetParam());
}

TEST_P(ConvKernel, FastMatchesTheDefinitionWhereItRuns) {
  if (!has_onednn()) GTEST_SKIP() << "built without oneDNN";
  const ConvSizes& s = GetParam().sizes;
  const Buffers<float> data(s);
  auto y = garbage<float>(data.dy.size());
  if (onednn::conv2d_forward(s, data.x.data(), data.w.data(),
                             GetParam().bias ? data.b.data() : nullptr,
                             y.data())) {
    expect_close(y, expected_forward(s, data, GetParam().bias));
  }
  auto dx = garbage<float>(data.x.size());
  if (onednn::conv2d_input_gradient(s, data.dy.data(), data.w.data(),
                                    dx.data())) {
    expect_close(dx, expected_input_gradient(s, data));
  }
  auto dw = garbage<float>(data.w.size());
  if (onednn::conv2d_weight_gradient(s, data.x.data(), data.dy.data(),
                                     dw.data())) {
    expect_close(dw, expected_weight_gradient(s, data));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ConvKernel, ::testing::ValuesIn(cases),
                         [](const auto& info) {
                           return std::string(info.param.name);
                         });

TEST(ConvKernelFast, ServesTheShapesOfAResNet) {
  if (!has_onednn()) GTEST_SKIP() << "built without oneDNN";
  for (const ConvCase& test : cases) {
    const std::string name = test.name;
    if (name != "many_tiles" && name != "stem" && name != "downsample")
      continue;
    const ConvSizes& s = test.sizes;
    Buffers<float> data(s);
    EXPECT_TRUE(onednn::conv2d_forward(s, data.x.data(), data.w.data(), nullptr,
                                       data.dy.data()))
        << name;
    EXPECT_TRUE(onednn::conv2d_input_gradient(s, data.dy.data(), data.w.data(),
                                              data.x.data()))
        << name;
    EXPECT_TRUE(onednn::conv2d_weight_gradient(s, data.x.data(), data.dy.data(),
                                               data.w.data()))
        << name;
  }
}

TEST(ConvKernelFast, GivesTheSameBitsTwice) {
  const ConvSizes s = cases[10].sizes;
  const Buffers<float> data(s);
  std::vector<std::vector<float>> y, dw;
  for (int run = 0; run < 2; ++run) {
    y.emplace_back(data.dy.size());
    dw.emplace_back(data.w.size());
    if (!onednn::conv2d_forward(s, data.x.data(), data.w.data(), nullptr,
                                y.back().data())) {
      GTEST_SKIP() << "built without oneDNN";
    }
    onednn::conv2d_weight_gradient(s, data.x.data(), data.dy.data(),
                                   dw.back().data());
  }
  EXPECT_EQ(y[0], y[1]);
  EXPECT_EQ(dw[0], dw[1]);
}

TEST(ConvKernelReference, GivesTheSameBitsTwiceAtEachThreadCount) {
  const ConvSizes s = cases[10].sizes;
  const Buffers<float> data(s);
  const int before = num_threads();
  for (int threads : {1, 2, 3}) {
    set_num_threads(threads);
    std::vector<float> first(data.w.size()), second(data.w.size());
    conv2d_weight_gradient(s, data.x.data(), data.dy.data(), first.data());
    conv2d_weight_gradient(s, data.x.data(), data.dy.data(), second.data());
    EXPECT_EQ(first, second) << threads << " threads";
  }
  set_num_threads(before);
}

TEST(ConvKernelReference, EmptyBatchHasZeroWeightGradient) {
  const ConvSizes s = sizes(0, 5, 4, 3, 2, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  std::vector<float> w(54, 1.0f), dw(54, 1.0f);
  conv2d_forward<float>(s, nullptr, w.data(), nullptr, nullptr);
  conv2d_input_gradient<float>(s, nullptr, w.data(), nullptr);
  conv2d_weight_gradient<float>(s, nullptr, nullptr, dw.data());
  EXPECT_EQ(dw, std::vector<float>(54, 0.0f));
}

}  // namespace
}  // namespace mjolnir::kernels
