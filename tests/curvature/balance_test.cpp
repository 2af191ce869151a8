#include "curvature/detail/balance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mjolnir/core/error.h>

#include <atomic>
#include <string>
#include <vector>

namespace mjolnir::detail {
namespace {

// One job that all threads share, and enough small ones for a region.
const std::vector<double> costs{9e6, 3e5, 2e5, 2e5, 1e5, 1e5, 1e5};

class BalancedFor : public ::testing::Test {
 protected:
  void SetUp() override { set_num_threads(2); }
  void TearDown() override { set_num_threads(threads_); }

 private:
  int threads_ = num_threads();
};

TEST_F(BalancedFor, RunsEveryJobOnce) {
  std::vector<std::atomic<int>> runs(costs.size());
  balanced_for(costs, [&](std::size_t i, std::size_t worker) {
    EXPECT_LT(worker, 2u);
    ++runs[i];
  });
  for (const auto& count : runs) EXPECT_EQ(count, 1);
}

// Whichever job fails, alone or within the parallel region, its exception is
// the caller's to catch.
TEST_F(BalancedFor, LetsTheExceptionOfAJobOut) {
  for (std::size_t bad = 0; bad < costs.size(); ++bad) {
    EXPECT_THAT(
        [&] {
          balanced_for(costs, [&](std::size_t i, std::size_t) {
            if (i == bad) throw NumericalError("job " + std::to_string(i));
          });
        },
        ::testing::ThrowsMessage<NumericalError>("job " + std::to_string(bad)));
  }
}

}  // namespace
}  // namespace mjolnir::detail
