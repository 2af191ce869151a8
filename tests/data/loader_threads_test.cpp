#include <mjolnir/core/allocator.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/data/loader.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "tests/data/numbered.h"
#include "tests/support/files.h"

namespace mjolnir::data {
namespace {

using mjolnir::testing::expect_error;

int threads_of_this_process() {
  // A sanitizer's own thread starts with the first of ours.
  std::thread([] {}).join();
  int count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/task")) {
    (void)entry;
    ++count;
  }
  return count;
}

TEST(Loader, AWorkersExceptionArrivesAtItsBatch) {
  for (const int workers : {0, 1, 4}) {
    LoaderOptions options = batch_of(2);
    options.workers = workers;
    options.augment.custom = [](const ImageView& image, Generator&) {
      // Sample 9 is the second of batch 4; shuffling is off.
      if (image.pixels[0] == pixel(9, 0, 0, 0)) {
        throw std::runtime_error("sample 9 is broken");
      }
    };
    Generator rng(1);
    const int before = threads_of_this_process();
    Loader loader(numbered(100), options, rng);
    int good = 0;
    const auto start = std::chrono::steady_clock::now();
    try {
      for (auto [images, labels] : loader) ++good;
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "sample 9 is broken");
    }
    const std::chrono::duration<double> seconds =
        std::chrono::steady_clock::now() - start;
    EXPECT_LT(seconds.count(), 2.0);
    EXPECT_EQ(good, 4);
    EXPECT_EQ(threads_of_this_process(), before);
  }
}

TEST(Loader, AThousandEarlyExitsLeaveNoThread) {
  LoaderOptions options = batch_of(4);
  options.workers = 3;
  Loader loader(numbered(64), options);
  const int before = threads_of_this_process();
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(loader.epoch(), i);
    int steps = 0;
    try {
      for (auto [images, labels] : loader) {
        if (steps++ == i % 5) {
          if (i % 2 == 0) break;
          throw std::runtime_error("the consumer leaves");
        }
      }
    } catch (const std::runtime_error&) {
    }
    EXPECT_EQ(steps, i % 5 + 1);
  }
  EXPECT_EQ(threads_of_this_process(), before);
  EXPECT_EQ(epoch_of(loader).size(), 16u);
}

TEST(Loader, ABatchOutlivesItsLoader) {
  Batch kept;
  {
    Loader loader(numbered(4), batch_of(2));
    for (const Batch& batch : loader) kept = batch;
  }
  EXPECT_EQ(kept.labels.to_vector<std::int64_t>(),
            std::vector<std::int64_t>({2, 3}));
}

TEST(Loader, OneLoopAtATime) {
  Loader loader(numbered(4), batch_of(2));
  for (auto [images, labels] : loader) {
    expect_error<ValueError>([&] { loader.begin(); }, {"[loader] begin()"});
    expect_error<ValueError>([&] { loader.set_state({}); },
                             {"[loader] set_state()"});
  }
  EXPECT_EQ(epoch_of(loader).size(), 2u);
}

TEST(Loader, WorkersRunWithoutThreadsOfTheirOwn) {
  LoaderOptions options = batch_of(2);
  options.workers = 2;
  std::atomic<int> most{0};
  options.augment.custom = [&most](const ImageView&, Generator&) {
    most = std::max(most.load(), num_threads());
  };
  Generator rng(1);
  Loader loader(numbered(20), options, rng);
  const int before = num_threads();
  epoch_of(loader);
  EXPECT_EQ(most, 1);
  EXPECT_EQ(num_threads(), before);
}

TEST(Loader, AfterAnEpochItAsksTheSystemForNoMoreMemory) {
  LoaderOptions options = batch_of(8);
  options.workers = 2;
  options.prefetch = 4;
  Loader loader(numbered(61), options);
  const auto run = [&loader] {
    for (auto [images, labels] : loader) {
      // Now and then the workers get ahead.
      if (labels.data<std::int64_t>()[0] % 3 == 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  };
  run();
  const std::int64_t misses = allocator_statistics().misses;
  for (int epoch = 0; epoch < 20; ++epoch) run();
  EXPECT_EQ(allocator_statistics().misses, misses);
}

}  // namespace
}  // namespace mjolnir::data
