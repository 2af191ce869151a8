#include "train/program/console.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <mjolnir/core/events.h>
#include <mjolnir/train/program/log.h>
#include <csignal>
#include <cstdlib>
#include <string>

#include "tests/train/files.h"
#include "tests/train/process.h"

namespace mjolnir::train {
namespace {

using testing::HasSubstr;

// A pipe read back as text.
class Pipe {
 public:
  Pipe() {
    if (pipe(fds_) != 0) {
      throw std::runtime_error("no pipe");
    }
  }
  ~Pipe() {
    close_reader();
    close_writer();
  }
  int writer() const { return fds_[1]; }
  void close_reader() { close_one(fds_[0]); }
  void close_writer() { close_one(fds_[1]); }
  std::string text() {
    close_writer();
    std::string result;
    char c = 0;
    while (read(fds_[0], &c, 1) == 1) {
      result += c;
    }
    return result;
  }

 private:
  static void close_one(int& fd) {
    if (fd >= 0) {
      close(fd);
    }
    fd = -1;
  }
  int fds_[2] = {-1, -1};
};

class Environment : public testing::Test {
 protected:
  void SetUp() override { clear(); }
  void TearDown() override { clear(); }
  static void clear() {
    for (const char* name : {"NO_COLOR", "FORCE_COLOR"}) {
      unsetenv(name);
    }
    setenv("TERM", "xterm", 1);
  }
};

using ConsoleEnvironment = Environment;

TEST_F(ConsoleEnvironment, APipeIsNeitherLiveNorColoured) {
  Pipe pipe;
  const ConsoleOptions options = console_options(pipe.writer());
  EXPECT_FALSE(options.live);
  EXPECT_FALSE(options.color);
}

TEST_F(ConsoleEnvironment, ATerminalIsLiveUnlessItIsDumb) {
  const Terminal terminal(80);
  EXPECT_TRUE(console_options(terminal.fd()).live);
  EXPECT_TRUE(console_options(terminal.fd()).color);
  for (const char* dumb : {"dumb", ""}) {
    setenv("TERM", dumb, 1);
    EXPECT_FALSE(console_options(terminal.fd()).live);
    EXPECT_FALSE(console_options(terminal.fd()).color);
  }
  unsetenv("TERM");
  EXPECT_FALSE(console_options(terminal.fd()).live);
}

TEST_F(ConsoleEnvironment, NoColorCountsOnlyIfItIsNotEmpty) {
  const Terminal terminal(80);
  setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(console_options(terminal.fd()).color);
  setenv("NO_COLOR", "0", 1);
  EXPECT_FALSE(console_options(terminal.fd()).color);
  EXPECT_TRUE(console_options(terminal.fd()).live);
  setenv("FORCE_COLOR", "1", 1);
  EXPECT_FALSE(console_options(terminal.fd()).color);
}

TEST_F(ConsoleEnvironment, ForceColorCountsAnywhereIfItIsNotEmpty) {
  Pipe pipe;
  setenv("FORCE_COLOR", "", 1);
  EXPECT_FALSE(console_options(pipe.writer()).color);
  setenv("FORCE_COLOR", "1", 1);
  EXPECT_TRUE(console_options(pipe.writer()).color);
  EXPECT_FALSE(console_options(pipe.writer()).live);
}

ConsoleOptions live_on(int fd, int width) {
  ConsoleOptions options;
  options.fd = fd;
  options.live = true;
  options.width = width;
  options.refresh = 0.0;
  return options;
}

TEST(Console, WithoutATerminalBytesAreLinesOnly) {
  Pipe pipe;
  {
    ConsoleOptions options;
    options.fd = pipe.writer();
    Console console(options);
    console.status("not shown");
    console.line("one");
    console.clear();
    console.text("two\nthree\n");
  }
  EXPECT_EQ(pipe.text(), "one\ntwo\nthree\n");
}

TEST(Console, AShorterStatusLeavesNothingOfALongerOne) {
  Pipe pipe;
  {
    Console console(live_on(pipe.writer(), 80));
    console.status("a long status line");
    console.status("short");
    console.line("said in between");
    console.status("last");
  }
  // The destructor removes the live line.
  EXPECT_EQ(screen(pipe.text(), 80), "said in between\n\n");
}

TEST(Console, StatusWithoutColourIsFreeOfEscapes) {
  Pipe pipe;
  {
    Console console(live_on(pipe.writer(), 80));
    console.status("a");
  }
  EXPECT_THAT(pipe.text(), Not(HasSubstr("\x1b")));
}

TEST(Console, ANarrowTerminalNeverWraps) {
  for (const int width : {1, 2, 10, 17}) {
    Pipe pipe;
    {
      Console console(live_on(pipe.writer(), width));
      console.status("epoch 1/5  step 10/430");
      console.status("epoch 1/5  step 11/430");
    }
    const std::string bytes = pipe.text();
    EXPECT_EQ(screen(bytes, static_cast<std::size_t>(width)), "\n")
        << "width " << width;
  }
}

TEST(Console, WidthZeroMeansUnknownAndIsTakenAs80) {
  Terminal terminal(0);
  ConsoleOptions options = live_on(terminal.fd(), 0);
  Console console(options);
  console.status(std::string(200, 'x'));
  EXPECT_EQ(terminal.output(), "\r" + std::string(79, 'x'));
}

TEST(Console, TheWidthIsAskedAgainBeforeEveryDrawing) {
  Terminal terminal(50);
  Console console(live_on(terminal.fd(), 0));
  console.status(std::string(200, 'x'));
  EXPECT_EQ(terminal.output(), "\r" + std::string(49, 'x'));
  terminal.resize(10);
  console.status(std::string(200, 'y'));
  EXPECT_EQ(terminal.output(), "\r" + std::string(9, 'y'));
}

TEST(Console, RedrawsAtMostAtTheRefreshRate) {
  Pipe pipe;
  {
    ConsoleOptions options = live_on(pipe.writer(), 80);
    options.refresh = 1000.0;
    Console console(options);
    console.status("first");
    console.status("second");
  }
  const std::string bytes = pipe.text();
  EXPECT_THAT(bytes, HasSubstr("first"));
  EXPECT_THAT(bytes, Not(HasSubstr("second")));
}

TEST(Console, AReaderThatLeftSilencesIt) {
  const auto previous = std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  pipe.close_reader();
  ConsoleOptions options;
  options.fd = pipe.writer();
  Console console(options);
  EXPECT_TRUE(console.working());
  console.line("nobody reads this");
  EXPECT_FALSE(console.working());
  console.line("nor this");
  std::signal(SIGPIPE, previous);
}

TEST(Console, AClosedDescriptorSilencesIt) {
  ConsoleOptions options;
  options.fd = 1000000;
  Console console(options);
  console.line("x");
  EXPECT_FALSE(console.working());
}

TEST(Log, EventsBecomeLinesAndTopicsAreBounded) {
  Pipe pipe;
  {
    ConsoleOptions options;
    options.fd = pipe.writer();
    Console console(options);
    Log log(console);
    emit(Severity::Info, "blas", "fine");
    emit(Severity::Info, "decision", "one of thousands");
    for (int i = 0; i < 8; ++i) {
      emit(Severity::Warning, "ladder", "layer {} " + std::to_string(i));
    }
    emit(Severity::Problem, "disk", "full");
    log.info("plain");
    log.summary();
  }
  EXPECT_EQ(pipe.text(),
            "[blas] fine\n"
            "warning: [ladder] layer {} 0\n"
            "warning: [ladder] layer {} 1\n"
            "warning: [ladder] layer {} 2\n"
            "warning: [ladder] layer {} 3\n"
            "warning: [ladder] layer {} 4\n"
            "error: [disk] full\n"
            "plain\n"
            "warning: [ladder] 3 more like this\n");
}

TEST(Log, GivesThePreviousSinkBack) {
  int heard = 0;
  EventSink old = set_event_sink([&heard](const Event&) { ++heard; });
  {
    ConsoleOptions options;
    options.fd = -1;
    Console console(options);
    const Log log(console);
    emit(Severity::Info, "x", "to the log");
  }
  emit(Severity::Info, "x", "to the old sink");
  set_event_sink(std::move(old));
  EXPECT_EQ(heard, 1);
}

}  // namespace
}  // namespace mjolnir::train
