// What AtomicFile leaves behind when the system fails it, call by call.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <mjolnir/io/file.h>

#include "io/detail/system_calls.h"
#include "tests/support/files.h"

namespace mjolnir::io {
namespace {

using detail::system_calls;
using detail::SystemCalls;
using mjolnir::testing::bytes_of;
using mjolnir::testing::plant;
using mjolnir::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Puts the system's own calls back.
class ScopedCalls {
 public:
  ScopedCalls() : before_(system_calls()) {}
  ~ScopedCalls() { system_calls() = before_; }
  ScopedCalls(const ScopedCalls&) = delete;
  ScopedCalls& operator=(const ScopedCalls&) = delete;
  const SystemCalls& before() const { return before_; }

 private:
  SystemCalls before_;
};

std::vector<std::string> entries(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

// Calls fail from the n-th on, or the n-th alone; those that clean up never do.
struct Faults {
  int at = 0;
  int error = EIO;
  bool once = true;
  bool shorten = false;  // a write takes one byte and does not fail
  int calls = 0;

  bool now() {
    ++calls;
    return once ? calls == at : calls >= at;
  }
};

int failed(int error) {
  errno = error;
  return -1;
}

void install(Faults& faults, const SystemCalls& real) {
  SystemCalls& calls = system_calls();
  calls.open = [&faults, real](const char* path, int flags, mode_t mode) {
    return faults.now() ? failed(faults.error) : real.open(path, flags, mode);
  };
  calls.write = [&faults, real](int fd, const void* data, std::size_t size) {
    if (!faults.now()) return real.write(fd, data, size);
    return faults.shorten ? real.write(fd, data, 1)
                          : static_cast<ssize_t>(failed(faults.error));
  };
  calls.fsync = [&faults, real](int fd) {
    return faults.now() && !faults.shorten ? failed(faults.error)
                                           : real.fsync(fd);
  };
  calls.close = [&faults, real](int fd) {
    const bool fails = faults.now() && !faults.shorten;
    const int result = real.close(fd);  // a failing close closes all the same
    return fails ? failed(faults.error) : result;
  };
  calls.rename = [&faults, real](const char* from, const char* to) {
    return faults.now() && !faults.shorten ? failed(faults.error)
                                           : real.rename(from, to);
  };
}

// Fails call 1, 2, ... until a save meets no fault any more, and looks at what
// is there each time. Returns how many calls a save makes.
int save_until_clean(Faults faults) {
  const std::string older = "the old content";
  const std::string newer(100000, 'n');
  for (int at = 1; at < 100; ++at) {
    const TempDirectory folder;
    const std::string path = folder / "x";
    write_file(path, older);
    faults.at = at;
    faults.calls = 0;
    std::string what;
    {
      const ScopedCalls scope;
      install(faults, scope.before());
      try {
        AtomicFile file(path);
        file.write(newer.substr(0, 60000));
        file.write(newer.substr(60000));
        file.commit();
      } catch (const IoError& error) {
        what = error.what();
      }
    }
    const Bytes now = read_file(path);
    if (what.empty()) {
      EXPECT_EQ(now, bytes_of(newer)) << "call " << at;
    } else {
      EXPECT_TRUE(now == bytes_of(older) || now == bytes_of(newer))
          << "call " << at;
      EXPECT_THAT(what, HasSubstr(path));
      EXPECT_THAT(what,
                  HasSubstr(std::generic_category().message(faults.error)));
    }
    EXPECT_THAT(entries(folder.path()), ElementsAre("x")) << "call " << at;
    if (faults.calls < at) return at - 1;
  }
  return -1;
}

// open, write, write, fsync, close, rename; open, fsync, close of the folder.
constexpr int calls_of_a_save = 9;

TEST(FileFaults, EachCallFailingLeavesTheOldFileOrTheNewOne) {
  for (const int error : {EIO, ENOSPC}) {
    for (const bool once : {true, false}) {
      Faults faults;
      faults.error = error;
      faults.once = once;
      EXPECT_EQ(save_until_clean(faults), calls_of_a_save);
    }
  }
}

TEST(FileFaults, AFailureBeforeTheRenameKeepsTheOldFile) {
  for (int at = 1; at <= 6; ++at) {
    const TempDirectory folder;
    write_file(folder / "x", "old");
    Faults faults;
    faults.at = at;
    const ScopedCalls scope;
    install(faults, scope.before());
    EXPECT_THROW(
        {
          AtomicFile file(folder / "x");
          file.write("new ");
          file.write("content");
          file.commit();
        },
        IoError)
        << at;
    EXPECT_EQ(read_file(folder / "x"), bytes_of("old")) << at;
  }
}

TEST(FileFaults, InterruptedCallsAndShortWritesAreGoneOnWith) {
  for (const bool shorten : {false, true}) {
    for (int at = 1; at <= calls_of_a_save; ++at) {
      const TempDirectory folder;
      Faults faults;
      faults.at = at;
      faults.error = EINTR;
      faults.shorten = shorten;
      if (shorten && at != 2 && at != 3) continue;  // the writes
      const ScopedCalls scope;
      install(faults, scope.before());
      AtomicFile file(folder / "x");
      file.write("new ");
      file.write("content");
      EXPECT_NO_THROW(file.commit()) << at;
      EXPECT_GE(faults.calls, at);
      EXPECT_EQ(read_file(folder / "x"), bytes_of("new content")) << at;
    }
  }
}

TEST(FileFaults, ADiskThatTakesNothingIsNoEndlessLoop) {
  const TempDirectory folder;
  const ScopedCalls scope;
  system_calls().write = [](int, const void*, std::size_t) -> ssize_t {
    return 0;
  };
  EXPECT_THROW(write_file(folder / "x", "content"), IoError);
}

TEST(FileFaults, TheFileIsOnTheDiskBeforeItsNameAndTheFolderAfterIt) {
  const TempDirectory folder;
  const std::string path = folder / "x";
  std::vector<std::string> order;
  const ScopedCalls scope;
  const SystemCalls& real = scope.before();
  int folder_fd = -1;
  SystemCalls& calls = system_calls();
  calls.open = [&](const char* name, int flags, mode_t mode) {
    const int fd = real.open(name, flags, mode);
    if (name == folder.path()) folder_fd = fd;
    return fd;
  };
  calls.write = [&](int fd, const void* data, std::size_t size) {
    order.push_back("write");
    return real.write(fd, data, size);
  };
  calls.fsync = [&](int fd) {
    order.push_back(fd == folder_fd ? "fsync folder" : "fsync file");
    return real.fsync(fd);
  };
  calls.rename = [&](const char* from, const char* to) {
    order.push_back("rename");
    EXPECT_EQ(to, path);
    return real.rename(from, to);
  };
  write_file(path, "content");
  EXPECT_THAT(order,
              ElementsAre("write", "fsync file", "rename", "fsync folder"));
}

// Some file systems cannot flush a folder.
TEST(FileFaults, AFolderThatCannotBeFlushedIsTolerated) {
  const TempDirectory folder;
  const ScopedCalls scope;
  int flushed = 0;
  system_calls().fsync = [&](int fd) {
    struct stat info {};
    ::fstat(fd, &info);
    if (!S_ISDIR(info.st_mode)) return scope.before().fsync(fd);
    ++flushed;
    return failed(EINVAL);
  };
  EXPECT_NO_THROW(write_file(folder / "x", "content"));
  EXPECT_EQ(flushed, 1);
}

// The number of a process that is gone.
pid_t dead_process() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}

TEST(Leftovers, OfDeadProcessesAreRemovedAndNothingElseIs) {
  const TempDirectory folder;
  const std::string dead = std::to_string(dead_process());
  const std::string stale = "m.safetensors.tmp-" + dead + "-0";
  const std::vector<std::string> kept = {
      "m.safetensors",
      "m.safetensors.tmp-1-0",  // of a process that lives
      "m.safetensors.tmp-" + dead,
      "m.safetensors.tmp-" + dead + "-",
      "m.safetensors.tmp-" + dead + "-x",
      "m.tmp-x-0",
      ".tmp-" + dead + "-0"};
  for (const std::string& name : kept) plant(folder / name, {1});
  plant(folder / stale, {1});
  AtomicFile open(folder / "mine");  // being written
  const std::size_t before = entries(folder.path()).size();
  EXPECT_THAT(remove_leftovers(folder.path()), ElementsAre(stale));
  EXPECT_EQ(entries(folder.path()).size(), before - 1);
  open.commit();
  EXPECT_TRUE(file_exists(folder / "mine"));
  EXPECT_TRUE(remove_leftovers(folder / "nowhere").empty());
}

// In a container the next process often has the number of the last one.
TEST(Leftovers, OfADeadProcessWithOurNumberAreNoObstacle) {
  const TempDirectory folder;
  const std::string mine = "x.tmp-" + std::to_string(::getpid()) + "-";
  // Names that this process is about to use, and one that it will not.
  for (int i = 0; i < 200; ++i) plant(folder / mine + std::to_string(i), {1});
  const std::string far = mine + "1000000";
  plant(folder / far, {1});
  EXPECT_NO_THROW(write_file(folder / "x", "content"));
  EXPECT_THAT(remove_leftovers(folder.path()), ::testing::Contains(far));
  EXPECT_EQ(read_file(folder / "x"), bytes_of("content"));
}

// Two processes that save to one path: the last whole one wins, never a mix.
TEST(FileRaces, TwoWritersNeverMix) {
  const TempDirectory folder;
  const std::string path = folder / "x";
  constexpr std::size_t size = 300000;
  write_file(path, std::string(size, '0'));
  for (int race = 0; race < 20; ++race) {
    std::vector<pid_t> children;
    for (const char letter : {'a', 'b'}) {
      const pid_t child = ::fork();
      if (child == 0) {
        int code = 0;
        try {
          AtomicFile file(path);
          const std::string part(size / 10, letter);
          for (int i = 0; i < 10; ++i) file.write(part);
          file.commit();
        } catch (const std::exception&) {
          code = 1;
        }
        ::_exit(code);
      }
      children.push_back(child);
    }
    for (const pid_t child : children) {
      int status = 0;
      ::waitpid(child, &status, 0);
      EXPECT_EQ(status, 0);
    }
    const Bytes now = read_file(path);
    ASSERT_EQ(now.size(), size);
    EXPECT_TRUE(now == Bytes(size, 'a') || now == Bytes(size, 'b'));
    EXPECT_THAT(entries(folder.path()), ElementsAre("x"));
  }
}

}  // namespace
}  // namespace mjolnir::io
