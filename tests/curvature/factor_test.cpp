// A factor that is a diagonal, and blocks made of one: embeddings.
#include <mjolnir/curvature/factor.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/linalg.h>
#include <mjolnir/core/random.h>

#include "curvature/detail/apply.h"
#include "tests/curvature/blocks.h"
#include "tests/curvature/listener.h"

namespace mjolnir {
namespace {

using Doubles = std::vector<double>;
using ::testing::HasSubstr;

const TensorOptions f64{DType::F64, Layout::RowMajor};

Tensor vector(const Doubles& values) {
  return Tensor::from<double>(values, {std::int64_t(values.size())});
}

FactorOptions options_of(std::int64_t size, bool diagonal, double rho = 0.0) {
  FactorOptions options;
  options.size = size;
  options.diagonal = diagonal;
  options.running_average = rho;
  options.dtype = DType::F64;
  return options;
}

linalg::Status invert_one(Factor& factor, double diagonal) {
  std::vector<InversionJob> jobs = {factor.job(diagonal)};
  invert(jobs);
  return jobs[0].status;
}

TEST(Factor, ADiagonalIsTheMatrixWithThatDiagonal) {
  const Doubles entries = {3, 0, 1, 8};
  Factor thin(options_of(4, true, 0.75));
  Factor full(options_of(4, false, 0.75));
  for (const double scale : {0.5, 0.125}) {
    thin.take(vector(entries), scale);
    full.take(diagonal(entries), scale);
    EXPECT_EQ(thin.mean(), full.mean());
    thin.set_damping(0.25);
    full.set_damping(0.25);
    EXPECT_EQ(thin.damping(), full.damping());
    ASSERT_EQ(invert_one(thin, thin.damping()), linalg::Status::Ok);
    ASSERT_EQ(invert_one(full, full.damping()), linalg::Status::Ok);
    thin.accept();
    full.accept();
    const Doubles some = doubles(thin.inverse_in_weight_order());
    const Doubles all = doubles(full.inverse_in_weight_order());
    ASSERT_EQ(some.size(), 4U);
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_NEAR(some[i], all[i * 5], 1e-15);
    }
  }
  // M: 1.5 0 0.5 4, then 0.75 M + 0.25 (0.375 0 0.125 1)
  EXPECT_NEAR(doubles(thin.inverse_in_weight_order())[3],
              1 / (0.75 * 4 + 0.25 + 0.25), 1e-15);
}

TEST(Factor, ADiagonalFailsLikeAMatrix) {
  Factor factor(options_of(3, true));
  const double nan = std::nan("");
  EXPECT_TRUE(factor.accepts(vector({1, -2, 3}), 1.0));
  EXPECT_FALSE(factor.accepts(vector({1, nan, 3}), 1.0));
  factor.take(vector({1, -2, 3}), 1.0);
  EXPECT_EQ(invert_one(factor, 1.0), linalg::Status::NotPositiveDefinite);
  EXPECT_EQ(invert_one(factor, 3.0), linalg::Status::Ok);
  factor.take(vector({1, nan, 3}), 1.0);
  EXPECT_EQ(invert_one(factor, 3.0), linalg::Status::NotFinite);
  factor.take(vector({1, 1e-320, 3}), 1.0);
  EXPECT_EQ(invert_one(factor, 0.0), linalg::Status::Singular);
  EXPECT_THROW(factor.check(diagonal({1, 2, 3})), ShapeError);
  EXPECT_THROW(factor.check(Tensor()), ShapeError);
}

TEST(ApplyInverses, EachSideIsAMatrixOrADiagonal) {
  Generator rng(3);
  const std::int64_t rows = 4, columns = 3;
  const Doubles l = {2, -1, 0.5, 3};
  const Doubles r = {1, 4, -2};
  const Tensor x = normal({rows, columns}, 0, 1, rng, f64);
  const Tensor scratch = Tensor::empty({2, rows, columns}, f64);
  Doubles want = doubles(x);
  for (std::size_t i = 0; i < want.size(); ++i) {
    want[i] *= 0.5 * l[i / 3] * r[i % 3];
  }
  for (const bool thin_left : {true, false}) {
    for (const bool thin_right : {true, false}) {
      Factor left(options_of(rows, thin_left));
      Factor right(options_of(columns, thin_right));
      left.set_inverse(thin_left ? vector(l) : diagonal(l));
      right.set_inverse(thin_right ? vector(r) : diagonal(r));
      const Tensor out = Tensor::empty_like(x);
      detail::apply_inverses<double>(
          left.inverse(), right.inverse(), 0.5, x.data<double>(),
          out.mutable_data<double>(), scratch.mutable_data<double>());
      const Doubles got = doubles(out);
      for (std::size_t i = 0; i < want.size(); ++i) {
        EXPECT_NEAR(got[i], want[i], 1e-15) << thin_left << thin_right;
      }
    }
  }
}

/** The sums of an embedding of 4 rows of length 2. */
FactorSums embedding_sums(const Doubles& counts, const Tensor& g,
                          std::int64_t samples) {
  FactorSums sums = sums_of(Tensor::zeros({1, 1}, f64), g, samples, 12);
  sums.a = vector(counts);
  return sums;
}

class EmbeddingBlock : public ::testing::Test {
 protected:
  Weight layer_{Tensor::zeros({4, 2}, f64), true};
  Tensor g_ = Tensor::from<double>({2, 0.5, 0.5, 1}, {2, 2});
  Tensor gradient_ = Tensor::from<double>({1, -2, 3, 0.5, 4, -1, 2, 2}, {4, 2});
};

// The transpose of an embedding is a dense layer of one-hot inputs.
TEST_F(EmbeddingBlock, IsTheDenseBlockOfOneHotInputs) {
  const Doubles counts = {3, 0, 7, 2};
  const Weight dense(Tensor::zeros({2, 4}, f64));
  Doubles turned(8);
  const Doubles numbers = doubles(gradient_);
  for (std::size_t i = 0; i < 8; ++i) {
    turned[i % 2 * 4 + i / 2] = numbers[i];
  }
  const Tensor gradient = Tensor::from<double>(turned, {2, 4});
  for (const DampingSplit split : {DampingSplit::Even, DampingSplit::Trace}) {
    KroneckerOptions options;
    options.damping_split = split;
    options.running_average = 0.5;
    KroneckerBlock block("table", layer_, options);
    KroneckerBlock twin("fc", dense, options);
    for (long step = 0; step < 2; ++step) {
      const FactorSums sums = embedding_sums(counts, g_, 4);
      FactorSums same = sums;
      same.a = diagonal(counts);
      refresh_one(block, sums, 0.2, step, 1.0 + double(step));
      refresh_one(twin, same, 0.2, step, 1.0 + double(step));
      const Doubles got = doubles(block.precondition({gradient_}, 0.5).weight);
      const Doubles want = doubles(twin.precondition({gradient}, 0.5).weight);
      for (std::size_t i = 0; i < 8; ++i) {
        EXPECT_NEAR(got[i], want[i % 2 * 4 + i / 2], 1e-14);
      }
      EXPECT_EQ(block.state().mean_a, twin.state().mean_a);
      EXPECT_EQ(block.state().damping.pi, twin.state().damping.pi);
    }
    EXPECT_EQ(block.inverse_a().shape(), (Shape{4}));
    EXPECT_EQ(block.inverse_g().shape(), (Shape{2, 2}));
  }
}

TEST_F(EmbeddingBlock, GoesDownTheLadderOnBothSides) {
  KroneckerBlock block("table", layer_, {});
  // T = 12 / 3, s = sqrt(0.04 / 4) = 0.1; a count of -6 / 12 needs 10 of it
  refresh_one(block, embedding_sums({3, -6, 7, 2}, g_, 3), 0.04, 0);
  ASSERT_EQ(block.preconditioner(), Preconditioner::Inverse);
  EXPECT_EQ(block.state().ladder.raised, 1);
  EXPECT_NEAR(block.state().damping.a, 1.0, 1e-14);
  const Doubles first = doubles(block.precondition({gradient_}, 1.0).weight);
  Listener listener;
  refresh_one(block, embedding_sums({3, std::nan(""), 7, 2}, g_, 3), 0.04, 1);
  EXPECT_EQ(block.state().ladder.not_finite, 1);
  EXPECT_THAT(listener.events[0].message, HasSubstr("factor A is not finite"));
  refresh_one(block, embedding_sums({3, 0, 7, 2}, diagonal({1, -5000}), 3),
              0.04, 2);
  EXPECT_EQ(block.state().ladder.kept, 2);
  EXPECT_EQ(doubles(block.precondition({gradient_}, 1.0).weight), first);
  // without damping an id that never came leaves the floor alone
  KroneckerBlock undamped("table", layer_, {});
  refresh_one(undamped, embedding_sums({3, 0, 7, 2}, g_, 3), 0.0, 0);
  EXPECT_EQ(undamped.preconditioner(), Preconditioner::Inverse);
}

}  // namespace
}  // namespace mjolnir
