#include <mjolnir/curvature/block_inverse.h>

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include <mjolnir/core/random.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/curvature/order.h>

namespace mjolnir {
namespace {

using Order = std::vector<std::int64_t>;

const TensorOptions f64{DType::F64, Layout::RowMajor};

Tensor random_spd(std::int64_t n, Generator& rng) {
  return linalg::syrk(normal({n, n + 3}, 0.0, 1.0, rng, f64));
}

BlockInverse empty_inverse(std::int64_t n, std::int64_t split,
                           DType dtype = DType::F64) {
  BlockInverse inverse;
  inverse.blocks = cut_blocks(n, split);
  std::int64_t count = 0;
  for (const FactorBlock& b : inverse.blocks) count += b.size * b.size;
  inverse.values = Tensor::empty({count}, {dtype, Layout::RowMajor});
  return inverse;
}

InversionJob job_of(const Tensor& factor, BlockInverse& inverse,
                    double diagonal, double scale = 1.0) {
  InversionJob job;
  job.factor = factor;
  job.scale = scale;
  job.diagonal = diagonal;
  job.inverse = &inverse;
  return job;
}

double at(const std::vector<double>& m, std::int64_t n, std::int64_t i,
          std::int64_t j) {
  return m[static_cast<std::size_t>(i * n + j)];
}

TEST(WeightOrder, GoesFromChannelSlowestToChannelFastest) {
  // weight order (c,kh,kw) of c = 2, kh = 1, kw = 3; storage (kh,kw,c)
  EXPECT_EQ(weight_order(2, 1, 3), (Order{0, 2, 4, 1, 3, 5}));
  EXPECT_TRUE(weight_order(1, 5, 3).empty());
  EXPECT_TRUE(weight_order(7, 1, 1).empty());
}

TEST(BlockInverse, CutsCeilBlocksTheLastOneSmaller) {
  const auto blocks = cut_blocks(11, 4);
  ASSERT_EQ(blocks.size(), 3U);
  EXPECT_EQ(blocks[1].begin, 4);
  EXPECT_EQ(blocks[1].offset, 16);
  EXPECT_EQ(blocks[2].begin, 8);
  EXPECT_EQ(blocks[2].size, 3);
  EXPECT_EQ(blocks[2].offset, 32);
  EXPECT_EQ(cut_blocks(11, 0).size(), 1U);
  EXPECT_EQ(cut_blocks(11, 11).size(), 1U);
  EXPECT_EQ(cut_blocks(11, 128).front().size, 11);
  EXPECT_TRUE(cut_blocks(0, 4).empty());
}

TEST(BlockInverse, EachBlockIsTheInverseOfItsScaledAndDampedPart) {
  Generator rng(3);
  const std::int64_t n = 11, split = 4;
  const double scale = 0.25, diagonal = 0.5;
  const Tensor factor = random_spd(n, rng);
  const auto x = factor.to_vector<double>();
  const Order order = {4, 0, 7, 1, 10, 2, 9, 3, 8, 5, 6};
  const auto place = [&](std::int64_t i) {
    return order[static_cast<std::size_t>(i)];
  };
  BlockInverse inverse = empty_inverse(n, split);
  inverse.order = order;
  std::vector<InversionJob> jobs = {job_of(factor, inverse, diagonal, scale)};
  invert(jobs);
  ASSERT_EQ(jobs[0].status, linalg::Status::Ok);
  const auto dense = inverse.dense().to_vector<double>();
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      if (i / split != j / split) {
        EXPECT_EQ(at(dense, n, i, j), 0.0);
        continue;
      }
      double sum = 0.0;  // (block) (its inverse) = I
      for (std::int64_t k = 0; k < n; ++k) {
        if (k / split != i / split) continue;
        const double damped =
            scale * at(x, n, place(i), place(k)) + (i == k ? diagonal : 0.0);
        sum += damped * at(dense, n, k, j);
      }
      EXPECT_NEAR(sum, i == j ? 1.0 : 0.0, 1e-12);
    }
  }
}

TEST(BlockInverse, ManyJobsGiveTheBitsOfOneAtATime) {
  Generator rng(5);
  std::vector<Tensor> factors;
  for (const std::int64_t n : {3, 40, 17, 1, 29, 8}) {
    factors.push_back(random_spd(n, rng));
  }
  const auto run = [&](bool together) {
    std::vector<BlockInverse> inverses;
    for (const Tensor& f : factors) {
      inverses.push_back(empty_inverse(f.size(0), 16));
    }
    std::vector<InversionJob> jobs;
    for (std::size_t i = 0; i < factors.size(); ++i) {
      jobs.push_back(job_of(factors[i], inverses[i], 0.1));
    }
    if (together) {
      invert(jobs);
    } else {
      for (const InversionJob& job : jobs) {
        std::vector<InversionJob> one = {job};
        invert(one);
      }
    }
    std::vector<std::vector<double>> values;
    for (const BlockInverse& inverse : inverses) {
      values.push_back(inverse.values.to_vector<double>());
    }
    return values;
  };
  EXPECT_EQ(run(false), run(true));
  // Another number of threads may give other bits (a large job has all of
  // them, and OpenBLAS's kernels for AVX-512 then add up in another order),
  // but the same bits either way.
  const int threads = num_threads();
  set_num_threads(1);
  const auto together = run(true);
  const auto one_by_one = run(false);
  set_num_threads(threads);
  EXPECT_EQ(one_by_one, together);
}

TEST(BlockInverse, AFailureStaysInItsJob) {
  Generator rng(6);
  const Tensor good = random_spd(6, rng);
  const Tensor zeros = Tensor::zeros({6, 6}, f64);
  const Tensor poisoned = good.clone();
  poisoned.mutable_data<double>()[35] = std::nan("");
  BlockInverse a = empty_inverse(6, 4);
  BlockInverse b = empty_inverse(6, 4);
  BlockInverse c = empty_inverse(6, 4);
  std::vector<InversionJob> jobs = {job_of(zeros, a, 0.0), job_of(good, b, 0.0),
                                    job_of(poisoned, c, 1.0)};
  invert(jobs);
  EXPECT_EQ(jobs[0].status, linalg::Status::NotPositiveDefinite);
  EXPECT_EQ(jobs[1].status, linalg::Status::Ok);
  EXPECT_EQ(jobs[2].status, linalg::Status::NotFinite);
}

// Fault 42: size 1, more columns than samples, zeros, duplicate columns.
TEST(BlockInverse, DegenerateFactorsInvertOnceDamped) {
  const std::vector<std::pair<std::int64_t, std::vector<double>>> cases = {
      {1, {0.0}},
      {3, {1, 2, 3, 2, 4, 6, 3, 6, 9}},
      {3, {0, 0, 0, 0, 0, 0, 0, 0, 0}},
      {3, {2, 2, 1, 2, 2, 1, 1, 1, 5}}};
  for (const DType dtype : {DType::F32, DType::F64}) {
    // condition 60: 60 n eps, rounded up
    const double tolerance = dtype == DType::F32 ? 4e-5 : 1e-13;
    for (const auto& [n, numbers] : cases) {
      const Tensor factor = Tensor::from<double>(numbers, {n, n}).to(dtype);
      BlockInverse inverse = empty_inverse(n, 0, dtype);
      std::vector<InversionJob> jobs = {job_of(factor, inverse, 0.25)};
      invert(jobs);
      ASSERT_EQ(jobs[0].status, linalg::Status::Ok);
      const auto x = inverse.dense().to(DType::F64).to_vector<double>();
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
          double sum = 0.0;
          for (std::int64_t k = 0; k < n; ++k) {
            const double damped = at(numbers, n, i, k) + (i == k ? 0.25 : 0.0);
            sum += damped * at(x, n, k, j);
          }
          EXPECT_NEAR(sum, i == j ? 1.0 : 0.0, tolerance);
        }
      }
    }
  }
}

}  // namespace
}  // namespace mjolnir
