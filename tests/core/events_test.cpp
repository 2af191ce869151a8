#include <mjolnir/core/events.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <mjolnir/core/threads.h>

#include "tests/support/files.h"

namespace mjolnir {
namespace {

// Listens for the length of a test.
struct ScopedSink {
  explicit ScopedSink(EventSink sink) : old(set_event_sink(std::move(sink))) {}
  ~ScopedSink() { set_event_sink(old); }
  EventSink old;
};

TEST(Events, SinkHearsAndCountersCount) {
  const std::int64_t before = event_count("events_test");
  emit(Severity::Info, "events_test", "nobody listens");
  std::vector<Event> heard;
  {
    const ScopedSink sink([&](const Event& e) { heard.push_back(e); });
    emit(Severity::Warning, "events_test", "somebody listens");
  }
  emit(Severity::Info, "events_test", "nobody again");
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].message, "somebody listens");
  EXPECT_EQ(heard[0].severity, Severity::Warning);
  EXPECT_EQ(event_count("events_test"), before + 3);
}

TEST(Events, ASinkMayAskForCounts) {
  const std::int64_t before = event_count("events_test");
  std::int64_t count = 0;
  const ScopedSink sink([&](const Event& e) { count = event_count(e.topic); });
  emit(Severity::Info, "events_test", "counted before it is told");
  EXPECT_EQ(count, before + 1);
}

TEST(Events, WhatASinkEmitsIsCountedOnly) {
  const std::int64_t before = event_count("events_inner");
  int calls = 0;
  const ScopedSink sink([&](const Event&) {
    ++calls;
    emit(Severity::Info, "events_inner", "from within");
  });
  emit(Severity::Info, "events_test", "once");
  emit(Severity::Info, "events_test", "twice");
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(event_count("events_inner"), before + 2);
}

TEST(Events, ASinkMayReplaceItself) {
  std::vector<std::string> heard;
  const ScopedSink sink([&](const Event&) {
    set_event_sink([&](const Event& e) { heard.push_back(e.message); });
    heard.push_back("replaced");
  });
  emit(Severity::Info, "events_test", "first");
  emit(Severity::Info, "events_test", "second");
  EXPECT_EQ(heard, (std::vector<std::string>{"replaced", "second"}));
}

TEST(Events, WhatASinkThrowsIsDropped) {
  int calls = 0;
  const ScopedSink sink([&](const Event&) {
    ++calls;
    throw std::runtime_error("a full disk, say");
  });
  EXPECT_NO_THROW(emit(Severity::Info, "events_test", "one"));
  EXPECT_NO_THROW(emit(Severity::Info, "events_test", "two"));
  EXPECT_EQ(calls, 2);
}

TEST(Events, AReplacedSinkIsNotCalledAgain) {
  std::atomic<bool> stop{false};
  std::thread emitter([&] {
    while (!stop) emit(Severity::Info, "events_test", "on and on");
  });
  for (int i = 0; i < 200; ++i) {
    bool gone = false;
    bool late = false;
    {
      const ScopedSink sink([&](const Event&) { late = late || gone; });
      std::this_thread::yield();
    }
    gone = true;
    EXPECT_FALSE(late);
  }
  stop = true;
  emitter.join();
}

#ifdef _OPENMP
// num_threads() cannot throw and emits once a process, so in one of its own.
TEST(EventsDeathTest, ASinkThatThrowsDoesNotEndTheProcess) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";  // starts anew
  const testing::ScopedEnvironment many("OMP_NUM_THREADS", "1000");
  EXPECT_EXIT(
      {
        set_event_sink([](const Event&) { throw std::runtime_error("no"); });
        std::exit(num_threads() >= 1 && event_count("threads") == 1 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace mjolnir
