#include <gmock/gmock.h>

#include <mjolnir/core/events.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/factors.h>

#include "tests/layers/naive_factors.h"
#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::message_of;
using testing::relative_error;
using testing::tensor;
using testing::values_of;

Conv2dThorOptions base() {
  Conv2dThorOptions options;
  options.in_channels = 2;
  options.out_channels = 4;
  options.kernel_size = 3;
  return options;
}

Shape output_shape(const Conv2dThorOptions& options, const Shape& x) {
  Generator rng(1);
  return Conv2dThor(options, rng)(Tensor::zeros(x)).shape();
}

TEST(Conv2dThor, DefaultsAreUpstreams) {
  Generator rng(1);
  const Conv2dThor conv(base(), rng);
  EXPECT_EQ(conv.weight.shape(), (Shape{4, 2, 3, 3}));
  EXPECT_EQ(conv.weight.layout(), Layout::ChannelsLast);
  EXPECT_FALSE(conv.bias.defined());
  EXPECT_TRUE(conv.factors());
  EXPECT_EQ(conv.factors()->collects(), Collect::Factors);
  for (const double w : values_of(conv.weight)) EXPECT_LT(std::abs(w), 0.06);
}

TEST(Conv2dThor, SameGivesCeilOfSizeOverStride) {
  // Every n, kernel, stride and dilation of a small range, on both axes; the
  // definition: ceil(n/s), the odd zero at the bottom and the right.
  Conv2dThorOptions options = base();
  for (std::int64_t n = 1; n <= 9; ++n)
    for (std::int64_t k = 1; k <= 4; ++k)
      for (std::int64_t s = 1; s <= 3; ++s)
        for (std::int64_t d = 1; d <= 2; ++d) {
          options.kernel_size = Pair(k, 1);
          options.stride = Pair(s, 2);
          options.dilation = Pair(d, 1);
          Generator rng(1);
          const Conv2dThor conv(options, rng);
          const Conv2dGeometry w = conv.window(n, 5);
          EXPECT_EQ(w.out_h(n), (n + s - 1) / s);
          EXPECT_EQ(w.out_w(5), 3);
          EXPECT_EQ(w.pad_left + w.pad_right, 0);
          EXPECT_TRUE(w.pad_bottom == w.pad_top ||
                      w.pad_bottom == w.pad_top + 1);
          // No padding row that no window touches.
          const std::int64_t used = (w.out_h(n) - 1) * s + d * (k - 1) + 1;
          EXPECT_EQ(w.pad_top + w.pad_bottom,
                    std::max<std::int64_t>(0, used - n));
        }
}

TEST(Conv2dThor, TheDocumentationsExample) {
  Conv2dThorOptions options = base();
  options.in_channels = 120;
  options.out_channels = 240;
  options.kernel_size = 4;
  Generator rng(1);
  const Conv2dThor conv(options, rng);
  const Conv2dGeometry w = conv.window(1024, 640);
  EXPECT_EQ(w.out_h(1024), 1024);
  EXPECT_EQ(w.out_w(640), 640);
  EXPECT_EQ(w.pad_top, 1);
  EXPECT_EQ(w.pad_bottom, 2);
  EXPECT_EQ(w.pad_left, 1);
  EXPECT_EQ(w.pad_right, 2);
}

TEST(Conv2dThor, ValidAndPad) {
  Conv2dThorOptions options = base();
  options.kernel_size = Pair(3, 2);
  options.stride = Pair(2, 3);
  options.dilation = Pair(2, 1);
  options.pad_mode = "valid";
  // ceil((11 - 2 * 2) / 2) = 4, ceil((9 - 1) / 3) = 3
  EXPECT_EQ(output_shape(options, {1, 2, 11, 9}), (Shape{1, 4, 4, 3}));
  options.pad_mode = PadMode::Pad;
  options.padding = {1, 2, 0, 4};
  // floor(1 + (11 + 3 - 3 - 2) / 2) = 5, floor(1 + (9 + 4 - 2) / 3) = 4
  EXPECT_EQ(output_shape(options, {1, 2, 11, 9}), (Shape{1, 4, 5, 4}));
  options.padding = 1;
  EXPECT_EQ(output_shape(options, {1, 2, 11, 9}), (Shape{1, 4, 5, 4}));
}

struct Refusal {
  std::string argument;
  std::string value;
  std::function<void(Conv2dThorOptions&)> change;
};

TEST(Conv2dThor, RefusesWithLayerArgumentAndValue) {
  using O = Conv2dThorOptions;
  const std::vector<Refusal> refusals{
      {"in_channels", "0", [](O& o) { o.in_channels = 0; }},
      {"in_channels", "-3", [](O& o) { o.in_channels = -3; }},
      {"out_channels", "0", [](O& o) { o.out_channels = 0; }},
      {"out_channels", "-1", [](O& o) { o.out_channels = -1; }},
      {"kernel_size", "0", [](O& o) { o.kernel_size = 0; }},
      {"kernel_size", "(3,0)", [](O& o) { o.kernel_size = Pair(3, 0); }},
      {"stride", "0", [](O& o) { o.stride = 0; }},
      {"stride", "(-1,1)", [](O& o) { o.stride = Pair(-1, 1); }},
      {"dilation", "0", [](O& o) { o.dilation = 0; }},
      {"dilation", "(1,-2)", [](O& o) { o.dilation = Pair(1, -2); }},
      {"padding", "-1",
       [](O& o) {
         o.pad_mode = PadMode::Pad;
         o.padding = -1;
       }},
      {"padding", "-2",
       [](O& o) {
         o.pad_mode = PadMode::Pad;
         o.padding = {0, 0, -2, 0};
       }},
      {"padding", "2",
       [](O& o) {
         o.pad_mode = PadMode::Pad;
         o.padding = {1, 1};
       }},
      {"padding", "5",
       [](O& o) {
         o.pad_mode = PadMode::Pad;
         o.padding = {1, 1, 1, 1, 1};
       }},
      {"padding", "1", [](O& o) { o.padding = 1; }},
      {"padding", "(0,0,1,0)",
       [](O& o) {
         o.pad_mode = PadMode::Valid;
         o.padding = {0, 0, 1, 0};
       }},
      {"group", "0", [](O& o) { o.group = 0; }},
      {"group", "-2", [](O& o) { o.group = -2; }},
      {"in_channels", "3",
       [](O& o) {
         o.in_channels = 3;
         o.group = 2;
       }},
      {"out_channels", "5",
       [](O& o) {
         o.out_channels = 5;
         o.group = 2;
       }},
      {"pad_mode", "Same", [](O& o) { o.pad_mode = "Same"; }},
      {"pad_mode", "SAME", [](O& o) { o.pad_mode = std::string("SAME"); }},
      {"pad_mode", "full", [](O& o) { o.pad_mode = "full"; }},
      {"weight_init", "constant", [](O& o) { o.weight_init = "constant"; }},
      {"weight_init", "(4,2,3,2)",
       [](O& o) {
         o.weight_init = Tensor::zeros({4, 2, 3, 2});
       }},
      {"bias_init", "(3)",
       [](O& o) {
         o.has_bias = true;
         o.bias_init = Tensor::zeros({3});
       }},
      {"bias_init", "xavier_uniform",
       [](O& o) {
         o.has_bias = true;
         o.bias_init = "xavier_uniform";
       }},
      {"bias_init", "he_normal",
       [](O& o) {
         o.has_bias = true;
         o.bias_init = "he_normal";
       }},
  };
  for (const Refusal& refusal : refusals) {
    const std::string message = message_of<ValueError>([&] {
      Conv2dThorOptions options = base();
      refusal.change(options);
      Generator rng(1);
      Conv2dThor(options, rng);
    });
    EXPECT_THAT(message,
                AllOf(HasSubstr("[Conv2dThor]"), HasSubstr(refusal.argument),
                      HasSubstr(refusal.value)));
  }
}

TEST(Conv2dThor, ZeroPaddingIsFineInEveryMode) {
  Generator rng(1);
  for (const char* mode : {"same", "valid", "pad"}) {
    Conv2dThorOptions options = base();
    options.pad_mode = mode;
    options.padding = {0, 0, 0, 0};
    EXPECT_NO_THROW(Conv2dThor(options, rng)) << mode;
  }
}

TEST(Conv2dThor, RefusesAtRunTime) {
  Generator rng(1);
  Conv2dThorOptions options = base();
  options.pad_mode = PadMode::Valid;
  options.dilation = 2;
  Conv2dThor conv(options, rng);
  EXPECT_THROW(conv(Tensor::zeros({2, 5, 5})), ShapeError);
  EXPECT_THROW(conv(Tensor::zeros({1, 3, 5, 5})), ShapeError);
  EXPECT_THROW(conv(Tensor::zeros({1, 2, 4, 5})), ShapeError);
  EXPECT_NO_THROW(conv(Tensor::zeros({1, 2, 5, 5})));
}

TEST(Conv2dThor, OverflowingShapeIsAnError) {
  Generator rng(1);
  Conv2dThorOptions options = base();
  options.in_channels = std::int64_t{1} << 40;
  options.out_channels = std::int64_t{1} << 40;
  EXPECT_THROW(Conv2dThor(options, rng), Error);
}

TEST(Conv2dThor, AnUnusedBiasInitIsAnEvent) {
  Generator rng(1);
  Conv2dThorOptions options = base();
  const std::int64_t before = event_count("initializer");
  Conv2dThor(options, rng);
  EXPECT_EQ(event_count("initializer"), before);
  options.bias_init = "ones";
  Conv2dThor(options, rng);
  EXPECT_EQ(event_count("initializer"), before + 1);
}

/** The example of the golden numbers: N=2, C=1, 2x2 images and kernel. */
struct Golden {
  Generator rng{3};
  Conv2dThor conv{options(), rng};
  Tensor x = tensor({1, 2, 3, 4, 0, 1, 1, 0}, {2, 1, 2, 2});
  Tensor dout =
      tensor({1, -1, 2, 0, 0, 1, 1, -2, 3, 1, 0, 0, 2, -1, 1, 0}, {2, 2, 2, 2});
  static Conv2dThorOptions options() {
    Conv2dThorOptions o;
    o.in_channels = 1;
    o.out_channels = 2;
    o.kernel_size = 2;
    o.dtype = DType::F64;
    return o;
  }
  void run() { sum(conv(x) * dout).backward(); }
};

TEST(Conv2dThor, GoldenPerSample) {
  Golden golden;
  golden.run();
  EXPECT_EQ(golden.conv.factors()->sums().positions_per_sample, 4);
  EXPECT_LE(relative_error(values_of(golden.conv.matrix_a()),
                           {4, 1.75, 1.375, 0.5, 1.75, 2.625, 0.875, 1, 1.375,
                            0.875, 3.25, 1.5, 0.5, 1, 1.5, 2}),
            1e-15);
  EXPECT_LE(
      relative_error(values_of(golden.conv.matrix_g()), {2, 0.75, 0.75, 1.5}),
      1e-15);
}

TEST(Conv2dThor, GoldenParity) {
  Golden golden;
  golden.conv.enable_factors(
      std::make_shared<BatchMeanObserver>(Collect::Factors));
  golden.run();
  EXPECT_EQ(golden.conv.factors()->sums().positions_per_sample, 4);
  EXPECT_LE(relative_error(values_of(golden.conv.matrix_a()),
                           {2.625, 1.1875, 1, 0.25, 1.1875, 1.5625, 0.75, 0.75,
                            1, 0.75, 2, 1, 0.25, 0.75, 1, 1}),
            1e-15);
  EXPECT_LE(relative_error(values_of(golden.conv.matrix_g()),
                           {1.25, 0.75, 0.75, 0.75}),
            1e-15);
}

TEST(Conv2dThor, SaveGradientByHandAddsToGAlone) {
  Golden golden;
  golden.conv.collect(Collect::Nothing);
  const Tensor same = golden.conv.save_gradient(golden.dout);
  EXPECT_EQ(same.impl(), golden.dout.impl());
  EXPECT_EQ(golden.conv.factors()->sums().positions_g, 8);
  EXPECT_EQ(golden.conv.factors()->sums().positions_a, 0);
  EXPECT_EQ(golden.conv.factors()->sums().samples, 0);
  EXPECT_LE(
      relative_error(values_of(golden.conv.matrix_g()), {2, 0.75, 0.75, 1.5}),
      1e-15);
  EXPECT_THAT(message_of<ValueError>([&] { golden.conv.matrix_a(); }),
              HasSubstr("collect(Collect::Factors)"));
  // Then a pass adds to both: G is the mean over twice the positions.
  golden.conv.collect(Collect::Factors);
  golden.run();
  EXPECT_EQ(golden.conv.factors()->sums().positions_g, 16);
  EXPECT_EQ(golden.conv.factors()->sums().positions_a, 8);
  EXPECT_THROW(golden.conv.save_gradient(Tensor()), ShapeError);
  EXPECT_THROW(golden.conv.save_gradient(Tensor::zeros({2, 3, 2, 2})),
               ShapeError);
  EXPECT_THROW(golden.conv.save_gradient(Tensor::zeros({2, 2, 2, 2})),
               ShapeError);
  EXPECT_THROW(golden.conv.save_gradient(Tensor::zeros({2, 2}, {DType::F64})),
               ShapeError);
}

TEST(Conv2dThor, FactorsAreThoseOfThePatchesItUsed) {
  Generator rng(4);
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return low + std::int64_t(rng.below(std::uint64_t(high - low + 1)));
  };
  for (int trial = 0; trial < 60; ++trial) {
    Conv2dThorOptions options;
    options.in_channels = between(1, 4);
    options.out_channels = between(1, 4);
    options.kernel_size = Pair(between(1, 4), between(1, 4));
    options.stride = Pair(between(1, 3), between(1, 3));
    options.dilation = Pair(between(1, 2), between(1, 3));
    options.dtype = DType::F64;
    const int mode = trial % 3;
    options.pad_mode = mode == 0   ? PadMode::Same
                       : mode == 1 ? PadMode::Valid
                                   : PadMode::Pad;
    if (mode == 2)
      options.padding = {between(0, 2), between(0, 2), between(0, 2),
                         between(0, 2)};
    const Shape shape{
        between(1, 3), options.in_channels,
        between(1, 5) + options.dilation.h * (options.kernel_size.h - 1),
        between(1, 5) + options.dilation.w * (options.kernel_size.w - 1)};
    Conv2dThor conv(options, rng);
    const Layout layout =
        trial % 2 == 0 ? Layout::RowMajor : Layout::ChannelsLast;
    const Tensor x = testing::random_f64(shape, rng, layout);
    const Tensor y = conv(x);
    const Tensor dout = testing::random_f64(y.shape(), rng);
    sum(y * dout).backward();
    const Conv2dGeometry window = conv.window(shape[2], shape[3]);
    std::vector<double> a =
        testing::naive_patch_gram(values_of(x), shape, window);
    std::vector<double> g =
        testing::naive_gradient_gram(values_of(dout), y.shape());
    const double positions = double(shape[0] * y.size(2) * y.size(3));
    for (double& element : a) element /= positions;
    for (double& element : g) element /= positions;
    EXPECT_LE(relative_error(values_of(conv.matrix_a()), a), 1e-13)
        << conv.describe() << " " << shape.str();
    EXPECT_LE(relative_error(values_of(conv.matrix_g()), g), 1e-13)
        << conv.describe() << " " << shape.str();
    // Weight order: <A, w w^T> P = sum of the outputs squared, for one filter.
    const std::vector<double> w = values_of(conv.weight);
    const std::size_t d = w.size() / std::size_t(options.out_channels);
    const std::vector<double> m = values_of(conv.matrix_a());
    double quadratic = 0;
    for (std::size_t i = 0; i < d; ++i)
      for (std::size_t j = 0; j < d; ++j)
        quadratic += w[i] * m[i * d + j] * w[j];
    double energy = 0;
    const std::vector<double> out = values_of(y);
    const std::size_t map = std::size_t(y.size(2) * y.size(3));
    for (std::size_t n = 0; n < std::size_t(shape[0]); ++n)
      for (std::size_t t = 0; t < map; ++t) {
        const double v = out[n * std::size_t(options.out_channels) * map + t];
        energy += v * v;
      }
    EXPECT_NEAR(quadratic * positions, energy, 1e-12 * (1e-6 + energy));
  }
}

TEST(Conv2dThor, CloneHasFactorsOfItsOwn) {
  Golden golden;
  golden.run();
  const std::unique_ptr<Module> copy = golden.conv.clone();
  auto& conv = dynamic_cast<Conv2dThor&>(*copy);
  EXPECT_TRUE(testing::bit_equal(conv.weight, golden.conv.weight));
  EXPECT_EQ(conv.factors()->sums().positions_a, 0);
  EXPECT_TRUE(testing::bit_equal(conv(golden.x), golden.conv(golden.x)));
  EXPECT_EQ(conv.describe(),
            "Conv2dThor(in_channels=1, out_channels=2, kernel_size=2, "
            "pad_mode=same)");
}

}  // namespace
}  // namespace mjolnir
