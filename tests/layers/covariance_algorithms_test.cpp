// Every algorithm of patch_covariance against the definition, on windows of all
// kinds, and which of them runs.
#include <gmock/gmock.h>

#include <utility>

#include <mjolnir/core/allocator.h>
#include <mjolnir/core/linalg.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/layers/patch_covariance.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using testing::bit_equal;
using ::testing::HasSubstr;
using testing::message_of;
using testing::values_of;
using Algorithm = CovarianceAlgorithm;

constexpr Algorithm all_algorithms[] = {Algorithm::Automatic,
                                        Algorithm::Patches, Algorithm::Rows,
                                        Algorithm::Syrk, Algorithm::Shifts};

class Threads {
 public:
  explicit Threads(int count) { set_num_threads(count); }
  ~Threads() { set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_ = num_threads();
};

struct Case {
  Shape shape;
  Conv2dGeometry window;

  std::string str() const {
    const auto& w = window;
    std::string text = shape.str() + " k";
    for (const std::int64_t value :
         {w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h,
          w.dilation_w, w.pad_top, w.pad_bottom, w.pad_left, w.pad_right,
          w.groups})
      text += " " + std::to_string(value);
    return text;
  }
};

PatchCovarianceOptions options(Algorithm algorithm,
                               std::int64_t scratch_bytes = 32 << 20) {
  PatchCovarianceOptions o;
  o.algorithm = algorithm;
  o.scratch_bytes = scratch_bytes;
  return o;
}

// What the definition allows, not what the implementation says.
bool can_do(Algorithm algorithm, const Conv2dGeometry& w) {
  if (algorithm == Algorithm::Shifts) return w.stride_h == 1 && w.stride_w == 1;
  if (algorithm == Algorithm::Syrk)
    return (w.kernel_h == 1 ||
            (w.dilation_h == 1 && w.stride_h >= w.kernel_h)) &&
           (w.kernel_w == 1 || (w.dilation_w == 1 && w.stride_w >= w.kernel_w));
  return true;
}

// (groups, D, D) in storage order, from x (N,C,H,W) in logical order.
std::vector<double> definition(const Case& c, const std::vector<double>& x) {
  const Conv2dGeometry& w = c.window;
  const std::int64_t channels = c.shape[1] / w.groups;
  const auto d = std::size_t(w.kernel_h * w.kernel_w * channels);
  std::vector<double> sums(std::size_t(w.groups) * d * d);
  std::vector<double> patch(d);
  double* s = sums.data();
  for (std::int64_t g = 0; g < w.groups; ++g, s += d * d) {
    for (std::int64_t n = 0; n < c.shape[0]; ++n)
      for (std::int64_t oh = 0; oh < w.out_h(c.shape[2]); ++oh)
        for (std::int64_t ow = 0; ow < w.out_w(c.shape[3]); ++ow) {
          std::size_t k = 0;
          for (std::int64_t i = 0; i < w.kernel_h; ++i)
            for (std::int64_t j = 0; j < w.kernel_w; ++j)
              for (std::int64_t e = 0; e < channels; ++e) {
                const std::int64_t h =
                    oh * w.stride_h - w.pad_top + i * w.dilation_h;
                const std::int64_t v =
                    ow * w.stride_w - w.pad_left + j * w.dilation_w;
                const bool inside =
                    h >= 0 && h < c.shape[2] && v >= 0 && v < c.shape[3];
                patch[k++] =
                    inside
                        ? x[std::size_t(((n * c.shape[1] + g * channels + e) *
                                             c.shape[2] +
                                         h) *
                                            c.shape[3] +
                                        v)]
                        : 0.0;
              }
          for (std::size_t i = 0; i < d; ++i)
            for (std::size_t j = i; j < d; ++j)
              s[i * d + j] += patch[i] * patch[j];
        }
    for (std::size_t i = 0; i < d; ++i)
      for (std::size_t j = 0; j < i; ++j) s[i * d + j] = s[j * d + i];
  }
  return sums;
}

std::int64_t patch_length(const Case& c) {
  return c.window.kernel_h * c.window.kernel_w * c.shape[1] / c.window.groups;
}

Case random_case(Generator& rng) {
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return low + std::int64_t(rng.below(std::uint64_t(high - low + 1)));
  };
  Case c;
  Conv2dGeometry& w = c.window;
  const std::int64_t kind = between(0, 5);
  w.kernel_h = between(1, 7);
  w.kernel_w = between(1, kind == 0 ? 2 : 7);
  w.stride_h = kind < 3 ? 1 : between(1, 3);
  w.stride_w = kind < 3 ? 1 : between(1, 3);
  w.dilation_h = between(1, 3);
  w.dilation_w = between(1, 3);
  if (kind == 5) {  // no overlap
    w.dilation_h = w.dilation_w = 1;
    w.kernel_h = between(1, 3);
    w.kernel_w = between(1, 3);
    w.stride_h = w.kernel_h + (w.kernel_h == 1 ? between(0, 2) : 0);
    w.stride_w = w.kernel_w + (w.kernel_w == 1 ? between(0, 2) : 0);
  }
  w.pad_top = between(0, 4);
  w.pad_bottom = between(0, 3);
  w.pad_left = between(0, 3);
  w.pad_right = between(0, 4);
  // D and the number of positions small enough for the naive sum.
  const std::int64_t cells = w.kernel_h * w.kernel_w;
  std::int64_t channels = between(
      1, std::min<std::int64_t>(40, std::max<std::int64_t>(1, 120 / cells)));
  switch (between(0, 3)) {
    case 0:
      w.groups = between(2, 5);
      channels = std::max<std::int64_t>(1, channels / w.groups);
      break;
    case 1:
      if (cells <= 15) {  // depthwise
        w.groups = between(2, 40);
        channels = 1;
      }
      break;
    default:
      break;
  }
  const auto length = [&](std::int64_t reach, std::int64_t pads) {
    return std::max<std::int64_t>(1, reach - pads) + between(0, 5);
  };
  c.shape = {
      between(1, 5), channels * w.groups,
      length((w.kernel_h - 1) * w.dilation_h + 1, w.pad_top + w.pad_bottom),
      length((w.kernel_w - 1) * w.dilation_w + 1, w.pad_left + w.pad_right)};
  if (c.shape[2] == c.shape[3]) c.shape = c.shape.with(3, c.shape[3] + 1);
  return c;
}

double largest_of(const std::vector<double>& v) {
  double largest = 0;
  for (const double value : v) largest = std::max(largest, std::abs(value));
  return largest;
}

double largest_difference(const std::vector<double>& a,
                          const std::vector<double>& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

void expect_symmetric(const std::vector<double>& s, std::size_t d) {
  for (std::size_t g = 0; g < s.size(); g += d * d)
    for (std::size_t i = 0; i < d; ++i)
      for (std::size_t j = 0; j < i; ++j)
        ASSERT_EQ(s[g + i * d + j], s[g + j * d + i]);
}

// A sum of a a^T has no negative eigenvalue; rounding may make one that is as
// small as a few roundings of the largest.
// s (D,D) or (g,D,D)
void expect_no_negative_eigenvalue(const Tensor& s, double eps) {
  const Threads one(1);
  const std::int64_t d = s.size(-1);
  const Tensor groups = reshape(s, {-1, d, d});
  for (std::int64_t g = 0; g < groups.size(0); ++g) {
    const auto result =
        linalg::eigh(reshape(slice(groups, 0, g, g + 1), {d, d}));
    ASSERT_TRUE(bool(result));
    const std::vector<double> values = values_of(result->values);
    EXPECT_GE(values.front(), -8 * eps * values.back());
  }
}

TEST(CovarianceAlgorithms, AreTheDefinitionOnRandomWindows) {
  Generator rng(11);
  const std::int64_t limits[] = {32 << 20, 1 << 16, 4096, 0};
  int ran[5] = {};
  for (int trial = 0; trial < 600; ++trial) {
    const Case c = random_case(rng);
    SCOPED_TRACE(c.str());
    const Threads threads(1 + trial % 2);
    const Layout layout =
        trial % 3 == 0 ? Layout::RowMajor : Layout::ChannelsLast;
    // The f64 numbers are those of the f32 image.
    const Tensor single = normal(c.shape, 0.3, 1, rng, {DType::F32, layout});
    const Tensor exact = single.to(DType::F64);
    const std::vector<double> expected = definition(c, values_of(exact));
    const double scale = largest_of(expected);
    const std::int64_t d = patch_length(c);
    const Shape shape =
        c.window.groups == 1 ? Shape{d, d} : Shape{c.window.groups, d, d};
    for (const Algorithm algorithm : all_algorithms) {
      if (!can_do(algorithm, c.window)) continue;
      SCOPED_TRACE(name_of(algorithm));
      ++ran[int(algorithm)];
      const auto o = options(algorithm, limits[trial / 2 % 4]);
      const Tensor s = patch_covariance(exact, c.window, o);
      ASSERT_EQ(s.shape(), shape);
      ASSERT_LE(largest_difference(values_of(s), expected), 1e-12 * scale);
      const Tensor f = patch_covariance(single, c.window, o);
      // f32 rounds products and sums of fewer than 1000 terms, each to 6e-8.
      ASSERT_LE(largest_difference(values_of(f), expected), 2e-6 * scale);
      expect_symmetric(values_of(f), std::size_t(d));
      ASSERT_TRUE(bit_equal(f, patch_covariance(single, c.window, o)));
      // Of some large ones what is chosen, of small ones every algorithm.
      const bool some = trial % 4 == 0 && algorithm == Algorithm::Automatic;
      if (scale > 0 && (d <= 40 || some)) {
        expect_no_negative_eigenvalue(s, 2.3e-16);
        expect_no_negative_eigenvalue(f, 1.2e-7);
      }
    }
  }
  for (const int count : ran) EXPECT_GE(count, 100);
}

Conv2dGeometry square(std::int64_t kernel, std::int64_t pad,
                      std::int64_t stride = 1, std::int64_t groups = 1) {
  Conv2dGeometry w;
  w.kernel_h = w.kernel_w = kernel;
  w.stride_h = w.stride_w = stride;
  w.pad_top = w.pad_bottom = w.pad_left = w.pad_right = pad;
  w.groups = groups;
  return w;
}

// 4x4, same: top 1, bottom 2, left 1, right 2.
Conv2dGeometry documentations_window() {
  Conv2dGeometry w = square(4, 1);
  w.pad_bottom = w.pad_right = 2;
  return w;
}

// Images of many bands, tiles and blocks, against the reference in f64.
TEST(CovarianceAlgorithms, AgreeOnLargeImages) {
  Generator rng(12);
  Case cases[] = {
      {{1, 20, 61, 90}, documentations_window()},
      {{40, 20, 17, 18}, square(3, 1)},
      {{2, 48, 40, 21}, square(3, 1, 1, 3)},
      {{2, 24, 40, 21}, square(5, 2, 2, 2)},
      {{5, 96, 21, 23}, square(3, 1, 1, 96)},
      {{2, 64, 40, 41}, square(1, 0)},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.str());
    const Tensor single =
        normal(c.shape, 0.3, 1, rng, {DType::F32, Layout::ChannelsLast});
    const Tensor exact = single.to(DType::F64);
    const std::vector<double> expected = values_of(
        patch_covariance(exact, c.window, options(Algorithm::Patches)));
    const double scale = largest_of(expected);
    // 8 eps sqrt(K) for the sum of all positions.
    const double tolerance =
        8 * 6e-8 *
        std::sqrt(double(c.shape[0] * c.window.out_h(c.shape[2]) *
                         c.window.out_w(c.shape[3])));
    const std::pair<int, std::int64_t> runs[] = {
        {1, 32 << 20}, {2, 32 << 20}, {2, 1 << 20}};
    for (const auto& [count, limit] : runs)
      for (const Algorithm algorithm : all_algorithms) {
        if (!can_do(algorithm, c.window)) continue;
        SCOPED_TRACE(name_of(algorithm));
        const Threads threads(count);
        const auto o = options(algorithm, limit);
        EXPECT_LE(
            largest_difference(values_of(patch_covariance(exact, c.window, o)),
                               expected),
            1e-12 * scale);
        EXPECT_LE(
            largest_difference(values_of(patch_covariance(single, c.window, o)),
                               expected),
            tolerance * scale);
      }
  }
}

TEST(CovarianceAlgorithms, AddToWhatIsThere) {
  Generator rng(13);
  for (const std::int64_t groups : {1, 4}) {
    const Case c{{2, 8, 9, 10}, square(2, 0, 1, groups)};
    const Tensor x = testing::random_f64(c.shape, rng);
    std::vector<double> expected = definition(c, values_of(x));
    for (double& value : expected) value += 3;
    for (const Algorithm algorithm :
         {Algorithm::Patches, Algorithm::Rows, Algorithm::Shifts}) {
      const Tensor s =
          patch_covariance(x, c.window, options(algorithm)) * 0.0 + 3.0;
      add_patch_covariance(x, c.window, s, options(algorithm));
      EXPECT_LE(largest_difference(values_of(s), expected),
                1e-12 * largest_of(expected));
    }
  }
}

TEST(CovarianceAlgorithms, KeepTheirScratch) {
  Generator rng(14);
  const Case cases[] = {
      {{1, 24, 256, 160}, documentations_window()},
      {{8, 64, 16, 17}, square(3, 1)},
      {{2, 256, 9, 8}, square(3, 1)},
      {{4, 64, 16, 16}, square(2, 0, 2, 4)},
      {{4, 64, 16, 16}, square(3, 1, 1, 64)},
  };
  for (const Case& c : cases)
    for (const int count : {1, 2})
      for (const Algorithm algorithm : all_algorithms) {
        if (!can_do(algorithm, c.window)) continue;
        SCOPED_TRACE(c.str() + " " + name_of(algorithm));
        const Threads threads(count);
        const Tensor x =
            normal(c.shape, 0, 1, rng, {DType::F32, Layout::ChannelsLast});
        const auto o = options(algorithm, 8 << 20);
        const std::int64_t said =
            covariance_scratch(c.shape, c.window, DType::F32, o);
        EXPECT_LE(said, 8 << 20);
        const Tensor s = patch_covariance(x, c.window, o);
        reset_allocator_peak();
        const std::size_t before = allocator_statistics().in_use;
        const std::int64_t misses = allocator_statistics().misses;
        add_patch_covariance(x, c.window, s, o);
        const auto used = double(allocator_statistics().peak) - double(before);
        // The allocator rounds sizes up by an eighth at most.
        EXPECT_LE(used, 1.125 * double(said) + 1024);
        EXPECT_GE(used, double(said));
        EXPECT_EQ(allocator_statistics().misses, misses);
      }
}

TEST(CovarianceAlgorithms, TakeLittleMemoryForTheDocumentationsExample) {
  const Threads threads(2);
  const Shape x{1, 120, 1024, 640};
  const Conv2dGeometry w = documentations_window();
  EXPECT_EQ(covariance_algorithm(x, w, DType::F32), Algorithm::Shifts);
  EXPECT_EQ(covariance_algorithm(x, w, DType::F64), Algorithm::Patches);
  EXPECT_LE(covariance_scratch(x, w, DType::F32), 50'000'000);
  for (const Algorithm algorithm : {Algorithm::Patches, Algorithm::Rows})
    EXPECT_LE(covariance_scratch(x, w, DType::F32, options(algorithm)),
              50'000'000);
}

TEST(CovarianceAlgorithms, AreChosenByShape) {
  const auto choice = [](const Shape& x, const Conv2dGeometry& w,
                         DType dtype = DType::F32) {
    return covariance_algorithm(x, w, dtype);
  };
  EXPECT_EQ(choice({128, 16, 32, 32}, square(3, 1)), Algorithm::Shifts);
  EXPECT_EQ(choice({128, 64, 8, 8}, square(3, 1)), Algorithm::Shifts);
  EXPECT_EQ(choice({64, 32, 16, 16}, square(5, 2)), Algorithm::Shifts);
  EXPECT_EQ(choice({64, 64, 16, 16}, square(3, 1, 1, 4)), Algorithm::Shifts);
  EXPECT_EQ(choice({64, 256, 8, 8}, square(1, 0)), Algorithm::Syrk);
  EXPECT_EQ(choice({64, 256, 8, 8}, square(1, 0, 2)), Algorithm::Syrk);
  EXPECT_EQ(choice({64, 3, 32, 32}, square(4, 0, 4)), Algorithm::Syrk);
  EXPECT_EQ(choice({64, 256, 8, 8}, square(1, 0), DType::F64), Algorithm::Syrk);
  EXPECT_EQ(choice({128, 16, 32, 32}, square(3, 1), DType::F64),
            Algorithm::Patches);
  // Stride, too few channels, positions on less than half of the image.
  for (const Algorithm other : {choice({128, 64, 32, 32}, square(3, 1, 2)),
                                choice({128, 3, 32, 32}, square(3, 1)),
                                choice({128, 15, 32, 32}, square(3, 1)),
                                choice({128, 64, 32, 32}, square(3, 1, 1, 64)),
                                choice({8, 16, 16, 16}, square(7, 0))})
    EXPECT_THAT(other, ::testing::AnyOf(Algorithm::Patches, Algorithm::Rows));
  // Seven products of 28 columns instead of one of 196.
  EXPECT_EQ(choice({16, 4, 64, 64}, square(7, 3)), Algorithm::Rows);
  // An override is itself.
  EXPECT_EQ(covariance_algorithm({8, 3, 9, 9}, square(3, 1), DType::F64,
                                 options(Algorithm::Rows)),
            Algorithm::Rows);
}

TEST(CovarianceAlgorithms, RefuseWhatTheyCannotDo) {
  const Tensor x = Tensor::zeros({1, 4, 9, 9});
  const auto refusal = [&](const Conv2dGeometry& w, Algorithm algorithm) {
    return message_of<ValueError>(
        [&] { patch_covariance(x, w, options(algorithm)); });
  };
  EXPECT_THAT(refusal(square(3, 1, 2), Algorithm::Shifts),
              HasSubstr("stride 1 for shifts, got a 3x3 window with stride "
                        "2,2 and dilation 1,1; patches or rows can do it"));
  EXPECT_THAT(refusal(square(3, 0, 3), Algorithm::Shifts),
              HasSubstr("patches, rows or syrk can do it"));
  EXPECT_THAT(refusal(square(3, 1), Algorithm::Syrk),
              HasSubstr("patches, rows or shifts can do it"));
  Conv2dGeometry dilated = square(2, 0, 2);
  dilated.dilation_h = 2;
  EXPECT_THAT(refusal(dilated, Algorithm::Syrk),
              HasSubstr("patches or rows can do it"));
  EXPECT_THAT(refusal(square(3, 1, 1, 3), Algorithm::Automatic),
              HasSubstr("groups that divide the 4 channels, got 3"));
  EXPECT_THAT(refusal(square(3, 1, 1, 0), Algorithm::Automatic),
              HasSubstr("got 0"));
  EXPECT_THAT(message_of<ValueError>([&] {
                patch_covariance(x, square(3, 1),
                                 options(Algorithm::Automatic, -1));
              }),
              HasSubstr("scratch_bytes >= 0, got -1"));
  EXPECT_THROW(
      add_patch_covariance(x, square(1, 0, 1, 2), Tensor::zeros({4, 4})),
      ShapeError);
  EXPECT_THROW(covariance_algorithm({4, 9, 9}, square(1, 0), DType::F32),
               ShapeError);
  EXPECT_THROW(covariance_scratch({1, 4, 9, 9}, square(1, 0), DType::I64),
               ValueError);
}

TEST(CovarianceAlgorithms, SumNothingOfNothing) {
  for (const Shape& shape : {Shape{0, 4, 5, 6}, Shape{2, 4, 0, 6}}) {
    const Tensor s = patch_covariance(Tensor::zeros(shape), square(3, 2));
    EXPECT_EQ(values_of(s), std::vector<double>(36 * 36));
    EXPECT_EQ(covariance_scratch(shape, square(3, 2), DType::F32), 0);
  }
  // A window that reaches padding alone.
  Conv2dGeometry w = square(2, 4);
  w.dilation_h = 8;
  for (const Algorithm algorithm :
       {Algorithm::Patches, Algorithm::Rows, Algorithm::Shifts}) {
    const Tensor x = Tensor::ones({1, 2, 1, 1});
    EXPECT_EQ(values_of(patch_covariance(x, w, options(algorithm))),
              definition({x.shape(), w}, values_of(x)));
  }
}

}  // namespace
}  // namespace mjolnir
