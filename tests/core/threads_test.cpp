#include <mjolnir/core/threads.h>

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include <mjolnir/core/backend.h>
#include <mjolnir/core/error.h>

#include "core/detail/parallel.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace mjolnir {
namespace {

// Restores the number of threads at the end of a test.
struct RestoreThreads {
  int count = num_threads();
  ~RestoreThreads() { set_num_threads(count); }
};

TEST(Threads, RefusesLessThanOne) {
  EXPECT_THROW(set_num_threads(0), ValueError);
  EXPECT_THROW(set_num_threads(-3), ValueError);
}

TEST(Threads, ParallelForCoversEachItemOnce) {
  const RestoreThreads restore;
  for (const int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    for (const std::int64_t n : {0, 1, 5, 64, 1001}) {
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n));
      parallel_for(n, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          ++seen[static_cast<std::size_t>(i)];
        }
      });
      for (const auto& count : seen) EXPECT_EQ(count, 1);
    }
  }
}

TEST(Threads, SmallWorkStaysOnOneThread) {
  int calls = 0;
  parallel_for(100, 51, [&](std::int64_t, std::int64_t) { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST(Threads, TheFirstExceptionComesBack) {
  const RestoreThreads restore;
  set_num_threads(4);
  for (int repeat = 0; repeat < 50; ++repeat) {
    try {
      parallel_for(4, 1, [](std::int64_t begin, std::int64_t end) {
        if (end > 1) throw std::runtime_error(std::to_string(begin));
      });
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& e) {
#ifdef _OPENMP
      EXPECT_STREQ(e.what(), "1");
#endif
    }
  }
}

#ifdef _OPENMP
TEST(Threads, NeverChangedInsideAParallelRegion) {
  const RestoreThreads restore;
  set_num_threads(2);
  std::atomic<int> refused{0};
  parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
    EXPECT_EQ(num_threads(), 1);
    try {
      set_num_threads(2);
    } catch (const ValueError&) {
      ++refused;
    }
    // A nested loop runs serially on the thread that asks.
    const int me = omp_get_thread_num();
    parallel_for(1000, 1, [&](std::int64_t begin, std::int64_t end) {
      EXPECT_EQ(begin, 0);
      EXPECT_EQ(end, 1000);
      EXPECT_EQ(omp_get_thread_num(), me);
    });
  });
  EXPECT_EQ(refused, 2);
}
#endif

TEST(Backend, ScopesNest) {
  EXPECT_EQ(backend(), Backend::Auto);
  {
    const ScopedBackend reference(Backend::Reference);
    EXPECT_EQ(backend(), Backend::Reference);
    const ScopedBackend fast(Backend::Auto);
    EXPECT_EQ(backend(), Backend::Auto);
  }
  EXPECT_EQ(backend(), Backend::Auto);
}

TEST(Backend, DescribesItsBlas) {
  EXPECT_NE(blas_description().find("OpenBLAS"), std::string::npos);
}

}  // namespace
}  // namespace mjolnir
