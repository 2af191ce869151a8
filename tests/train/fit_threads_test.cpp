// Training from several threads of a program at once.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/state.h"
#include "tests/train/resume_net.h"

namespace mjolnir::train {
namespace {

using mjolnir::testing::expect_error;
using mjolnir::testing::expect_same_bits;
using resume_tests::Trial;

TEST(FitThreads, TwoModelsAtOnceAreTwoModelsOneAfterTheOther) {
  std::vector<SavedState> want;
  for (const std::uint64_t seed : {1, 2}) {
    Trial run(seed);
    run.fit({});
    want.push_back(run.model());
  }
  std::vector<std::unique_ptr<Trial>> runs;
  for (const std::uint64_t seed : {1, 2}) {
    runs.push_back(std::make_unique<Trial>(seed));
  }
  std::vector<std::thread> threads;
  for (const auto& run : runs) {
    threads.emplace_back([&run] { run->fit({}); });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    expect_same_bits(runs[i]->model(), want[i], "model " + std::to_string(i));
  }
}

TEST(FitThreads, OneModelInTwoRunsIsRefused) {
  Trial run(1);
  Trial other(2);
  int refused = 0;
  FitOptions options;
  options.epochs = 2;
  options.stop = [&] {
    std::thread second([&] {
      expect_error<ValueError>(
          [&] { fit(run.net, run.thor, other.training, {}); },
          {"[fit] the model is being trained already"});
      ++refused;
    });
    second.join();
    return true;
  };
  EXPECT_EQ(run.fit(options).status, FitStatus::Interrupted);
  EXPECT_GT(refused, 0);
  // It is free again.
  EXPECT_EQ(run.fit({}).status, FitStatus::Completed);
}

}  // namespace
}  // namespace mjolnir::train
