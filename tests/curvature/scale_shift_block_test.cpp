// One normalization layer's 2x2 blocks: the inverse against linalg::solve, and
// what happens when there is none.
#include <mjolnir/curvature/scale_shift_block.h>

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include <mjolnir/core/error.h>
#include <mjolnir/core/linalg.h>

#include "tests/curvature/blocks.h"
#include "tests/curvature/listener.h"

namespace mjolnir {
namespace {

using Doubles = std::vector<double>;
using ::testing::HasSubstr;

constexpr double infinity = std::numeric_limits<double>::infinity();

/** Sums of `samples` samples whose means are F = (a c; c b) per unit. */
ScaleShiftSums sums_of(const Doubles& a, const Doubles& c, const Doubles& b,
                       std::int64_t samples = 1) {
  const auto times = [&](Doubles x) {
    for (double& v : x) v *= static_cast<double>(samples);
    return Tensor::from<double>(x, {static_cast<std::int64_t>(x.size())});
  };
  ScaleShiftSums sums;
  sums.scale_scale = times(a);
  sums.scale_shift = times(c);
  sums.shift_shift = times(b);
  sums.samples = samples;
  return sums;
}

ScaleShiftBlock block_of(std::int64_t units, double rho = 0.0,
                         DType dtype = DType::F64) {
  return ScaleShiftBlock("norm", Tensor::ones({units}, {dtype}), rho);
}

/** (F + lambda I)^-1 (x, y), by linalg::solve. */
Doubles solved(double a, double c, double b, double lambda, double x,
               double y) {
  const auto solution = linalg::solve(
      Tensor::from<double>({a + lambda, c, c, b + lambda}, {2, 2}),
      Tensor::from<double>({x, y}, {2}));
  return solution->to_vector<double>();
}

TEST(ScaleShiftBlock, DividesEachPairByItsDampedMatrix) {
  const Doubles a{2.0, 1e-3, 5.0}, c{-0.7, 2e-4, 0.0}, b{1.0, 0.3, 1e-6};
  const Doubles x{0.4, -2.0, 1.0}, y{3.0, 0.1, -1.0};
  ScaleShiftBlock block = block_of(3);
  EXPECT_FALSE(block.ready());
  EXPECT_FALSE(block.inverse().defined());
  block.take(sums_of(a, c, b, 4), 9.0, 0.05, 6);
  ASSERT_TRUE(block.ready());
  const ScaleShiftTensors out = block.precondition(
      {Tensor::from<double>(x, {3}), Tensor::from<double>(y, {3})}, 0.5);
  double trace = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    const Doubles want =
        solved(9 * a[i], 9 * c[i], 9 * b[i], 0.05, 0.5 * x[i], 0.5 * y[i]);
    EXPECT_NEAR(out.scale.to_vector<double>()[i], want[0], 1e-12);
    EXPECT_NEAR(out.shift.to_vector<double>()[i], want[1], 1e-12);
    trace += 9 * (a[i] + b[i]);
  }
  EXPECT_EQ(block.state().kind, BlockKind::ScaleShift);
  EXPECT_EQ(block.state().rows, 3);
  EXPECT_EQ(block.state().columns, 2);
  EXPECT_EQ(block.state().last_refresh, 6);
  EXPECT_EQ(block.state().refreshes, 1);
  EXPECT_EQ(block.state().damping.g, 0.05);
  EXPECT_NEAR(block.state().mean_g, trace / 6, 1e-14);
  // <x, F x>
  double energy = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    energy +=
        9 * (a[i] * x[i] * x[i] + 2 * c[i] * x[i] * y[i] + b[i] * y[i] * y[i]);
  }
  EXPECT_NEAR(block.energy(
                  {Tensor::from<double>(x, {3}), Tensor::from<double>(y, {3})}),
              energy, 1e-12 * std::abs(energy));
}

TEST(ScaleShiftBlock, CountsUnitsInLogicalOrderWhateverTheLayout) {
  const Shape shape{1, 2, 1, 3};
  Doubles a, c, b, x, y;
  for (int i = 0; i < 6; ++i) {
    a.push_back(1.0 + i);
    c.push_back(0.1 * i);
    b.push_back(2.0 - 0.1 * i);
    x.push_back(i - 2.5);
    y.push_back(1.0 / (1 + i));
  }
  ScaleShiftBlock block("norm", Tensor::ones(shape, {DType::F64}), 0.0);
  block.take(sums_of(a, c, b), 1.0, 0.1, 0);
  for (const Layout layout : {Layout::RowMajor, Layout::ChannelsLast}) {
    const ScaleShiftTensors out =
        block.precondition({Tensor::from<double>(x, shape).to(layout),
                            Tensor::from<double>(y, shape).to(layout)},
                           1.0);
    EXPECT_EQ(out.scale.layout(), layout);
    for (std::size_t i = 0; i < 6; ++i) {
      const Doubles want = solved(a[i], c[i], b[i], 0.1, x[i], y[i]);
      EXPECT_NEAR(out.scale.to_vector<double>()[i], want[0], 1e-14);
      EXPECT_NEAR(out.shift.to_vector<double>()[i], want[1], 1e-14);
    }
  }
}

TEST(ScaleShiftBlock, RoundsToF32OnlyAtTheEnd) {
  // A condition of 1e5: in f32 the step would be off by 1e-2.
  const double a = 1.0, b = 1.0, c = 0.99999, lambda = 1e-5;
  ScaleShiftBlock block = block_of(1, 0.0, DType::F32);
  block.take(sums_of({a}, {c}, {b}), 1.0, lambda, 0);
  const ScaleShiftTensors out = block.precondition(
      {Tensor::from<float>({0.5F}, {1}), Tensor::from<float>({-2.0F}, {1})},
      1.0);
  const Doubles want = solved(a, c, b, lambda, 0.5, -2.0);
  const double eps = std::numeric_limits<float>::epsilon();
  EXPECT_NEAR(double{out.scale.to_vector<float>()[0]}, want[0],
              eps * std::abs(want[0]));
  EXPECT_NEAR(double{out.shift.to_vector<float>()[0]}, want[1],
              eps * std::abs(want[1]));
}

TEST(ScaleShiftBlock, AveragesWithWhatItHad) {
  ScaleShiftBlock block = block_of(1, 0.75);
  block.take(sums_of({4.0}, {1.0}, {2.0}), 1.0, 0.5, 0);
  block.take(sums_of({8.0}, {-1.0}, {6.0}), 1.0, 0.5, 1);
  // 0.75 old + 0.25 new = (5, 0.5; 0.5, 3)
  const Doubles want = solved(5.0, 0.5, 3.0, 0.5, 1.0, 0.0);
  const Doubles inverse = block.inverse().to_vector<double>();
  EXPECT_NEAR(inverse[0], want[0], 1e-15);
  EXPECT_NEAR(inverse[1], want[1], 1e-15);
  EXPECT_EQ(inverse[1], inverse[2]);
}

TEST(ScaleShiftBlock, KeepsTheLastGoodInverseOfWhatIsNotFinite) {
  for (const double bad : {std::nan(""), infinity}) {
    ScaleShiftBlock block = block_of(2, 0.5);
    block.take(sums_of({1, 2}, {0, 0}, {3, 4}), 1.0, 0.1, 0);
    const Doubles before = block.inverse().to_vector<double>();
    Listener listener;
    block.take(sums_of({1, 2}, {0, bad}, {3, 4}), 1.0, 0.1, 1);
    EXPECT_EQ(block.inverse().to_vector<double>(), before);
    EXPECT_EQ(block.state().last_refresh, 0);
    EXPECT_EQ(block.state().ladder.not_finite, 1);
    EXPECT_EQ(block.state().ladder.kept, 1);
    ASSERT_EQ(listener.events.size(), 2U);
    EXPECT_EQ(listener.events[0].topic, "ladder");
    EXPECT_THAT(listener.events[0].message,
                HasSubstr("layer norm, step 1: a block of scale and shift is "
                          "not finite"));
    // What was refused never entered the average.
    block.take(sums_of({1, 2}, {0, 0}, {3, 4}), 1.0, 0.1, 2);
    EXPECT_EQ(block.inverse().to_vector<double>(), before);
  }
}

TEST(ScaleShiftBlock, WithoutAnyInverseThereIsNothingToDivideBy) {
  ScaleShiftBlock block = block_of(1);
  Listener listener;
  block.take(sums_of({std::nan("")}, {0}, {1}), 1.0, 0.1, 0);
  EXPECT_FALSE(block.ready());
  EXPECT_EQ(block.state().ladder.scalar, 1);
  ASSERT_EQ(listener.events.size(), 2U);
  EXPECT_THAT(listener.events[1].message,
              HasSubstr("the gradient is divided by 1"));
  block.take(sums_of({2}, {0}, {1}), 1.0, 0.1, 1);
  EXPECT_TRUE(block.ready());
  block.skip(2, "the step is not finite");
  EXPECT_EQ(block.state().ladder.skipped, 1);
}

// Awkward matrices, with and without damping, give finite steps.
TEST(ScaleShiftBlock, SingularMatricesGiveFiniteSteps) {
  const double tiny = std::numeric_limits<double>::denorm_min();
  const Doubles a{0, 1, 1, 1e308, tiny, 1e-300, 1e20};
  const Doubles b{0, 0, 1, 1e308, tiny, 1e-300, 1e-20};
  const Doubles c{0, 0, 1, 1e308, tiny, 1e-300, 1};
  for (const DType dtype : {DType::F32, DType::F64}) {
    for (const double lambda : {0.0, 1e-300, 0.1, 1e300}) {
      ScaleShiftBlock block = block_of(7, 0.0, dtype);
      block.take(sums_of(a, c, b), 1.0, lambda, 0);
      const Doubles inverse = block.inverse().to_vector<double>();
      for (const double v : inverse) EXPECT_TRUE(std::isfinite(v));
      for (std::size_t i = 0; i < 7; ++i) {
        EXPECT_GE(inverse[4 * i], 0.0);
        EXPECT_GE(inverse[4 * i + 3], 0.0);
      }
    }
  }
  // Of rank one without damping: the floor of 32 eps of the largest entry.
  ScaleShiftBlock block = block_of(2);
  block.take(sums_of({1, 0}, {1, 0}, {1, 0}), 1.0, 0.0, 0);
  const Doubles inverse = block.inverse().to_vector<double>();
  const double floor = 32 * std::numeric_limits<double>::epsilon();
  // Eigenvalues 2 and 0: along (1,-1) the step is 1 / floor.
  EXPECT_NEAR((inverse[0] - inverse[1]) * floor, 1.0, 1e-6);
  // No block, no damping: left alone.
  for (std::size_t i = 4; i < 8; ++i) EXPECT_EQ(inverse[i], 0.0);
}

TEST(ScaleShiftBlock, RefusesSumsThatAreNotItsOwn) {
  ScaleShiftBlock block = block_of(2);
  EXPECT_THROW(block.take({}, 1.0, 0.1, 0), ValueError);
  EXPECT_THROW(block.take(sums_of({1}, {0}, {1}), 1.0, 0.1, 0), ShapeError);
  EXPECT_FALSE(block.ready());
  EXPECT_EQ(block.state().ladder.not_finite, 0);
  EXPECT_THROW(ScaleShiftBlock("x", Tensor::ones({2}, {DType::I64}), 0.0),
               ValueError);
}

}  // namespace
}  // namespace mjolnir
