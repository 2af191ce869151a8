#include <mjolnir/io/file.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "io/detail/system_calls.h"

namespace mjolnir::io {
namespace {

using detail::system_calls;

constexpr const char* temporary_mark = ".tmp-";
std::atomic<long> temporaries{0};  // names used so far

[[noreturn]] void fail(const std::string& what, const std::string& path,
                       int error) {
  throw IoError("[io] cannot " + what + " '" + path +
                "': " + std::generic_category().message(error));
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) system_calls().close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

int open_retrying(const char* path, int flags, mode_t mode = 0) {
  int descriptor = -1;
  do {
    descriptor = system_calls().open(path, flags | O_CLOEXEC, mode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

int fsync_retrying(int descriptor) {
  int result = 0;
  do {
    result = system_calls().fsync(descriptor);
  } while (result != 0 && errno == EINTR);
  return result;
}

bool is_special(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) &&
         !S_ISDIR(info.st_mode);
}

bool is_link(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

// What a link leads to, so that the rename replaces the file and not the link.
std::string resolved(const std::string& path) {
  if (!is_link(path)) return path;
  const std::unique_ptr<char, decltype(&std::free)> target(
      ::realpath(path.c_str(), nullptr), &std::free);
  if (!target) fail("follow the link", path, errno);
  return target.get();
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// The new name is on the disk only when its directory is. Some file systems
// cannot flush a directory and say EINVAL: there is nothing more to do then.
void flush_directory(const std::string& directory, const std::string& path) {
  const Descriptor file(
      open_retrying(directory.c_str(), O_RDONLY | O_DIRECTORY));
  if (file.get() < 0) fail("open the directory of", path, errno);
  if (fsync_retrying(file.get()) != 0 && errno != EINVAL) {
    fail("flush the directory of", path, errno);
  }
}

std::optional<long> number(const char* begin, const char* end) {
  long value = 0;
  const auto [rest, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || rest != end || value < 0) return std::nullopt;
  return value;
}

// True for "<file>.tmp-<process>-<number>" if nobody can be writing it.
bool is_leftover(const std::string& name) {
  const std::size_t mark = name.rfind(temporary_mark);
  const std::size_t dash = name.rfind('-');
  if (mark == std::string::npos || mark == 0) return false;
  const char* text = name.c_str();
  const char* begin = text + mark + std::strlen(temporary_mark);
  if (begin > text + dash) return false;
  const auto process = number(begin, text + dash);
  const auto count = number(text + dash + 1, text + name.size());
  if (!process || !count || *process < 1 || *process > INT_MAX) return false;
  if (*process == ::getpid()) return *count >= temporaries;  // not made by us
  return ::kill(static_cast<pid_t>(*process), 0) != 0 && errno == ESRCH;
}

}  // namespace

Bytes read_file(const std::string& path) {
  const Descriptor file(open_retrying(path.c_str(), O_RDONLY));
  if (file.get() < 0) fail("open", path, errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) fail("read", path, errno);
  if (S_ISDIR(info.st_mode)) fail("read", path, EISDIR);

  // One byte more than the file says, so that its end is seen without another
  // round; a file that changes meanwhile is read as far as it goes.
  Bytes bytes(static_cast<std::size_t>(std::max<off_t>(info.st_size, 0)) + 1);
  std::size_t size = 0;
  while (true) {
    if (size == bytes.size()) bytes.resize(2 * size + 4096);
    const ssize_t got =
        ::read(file.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("read", path, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  bytes.resize(size);
  return bytes;
}

void flush_file(const std::string& path) {
  const Descriptor file(open_retrying(path.c_str(), O_RDONLY));
  if (file.get() < 0) fail("open", path, errno);
  if (fsync_retrying(file.get()) != 0) fail("flush", path, errno);
}

bool file_exists(const std::string& path) noexcept {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

void make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error && !std::filesystem::is_directory(path, error) && !error) {
    error = std::make_error_code(std::errc::not_a_directory);
  }
  if (error) {
    throw IoError("[io] cannot make directory '" + path +
                  "': " + error.message());
  }
}

AtomicFile::AtomicFile(const std::string& path)
    : path_(path), target_(resolved(path)) {
  std::error_code error;
  if (std::filesystem::is_directory(target_, error)) {
    fail("write", path_, EISDIR);
  }
  if (is_special(target_)) {
    descriptor_ = open_retrying(target_.c_str(), O_WRONLY);
  } else {
    // A name may be taken by what a killed process with our number left.
    do {
      temporary_ = target_ + temporary_mark + std::to_string(::getpid()) + "-" +
                   std::to_string(temporaries.fetch_add(1));
      descriptor_ =
          open_retrying(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666);
    } while (descriptor_ < 0 && errno == EEXIST);
  }
  if (descriptor_ < 0) fail("write", path_, errno);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) system_calls().close(descriptor_);
  if (!temporary_.empty()) system_calls().unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t size) {
  if (descriptor_ < 0) throw IoError("[io] '" + path_ + "' is closed");
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t put = system_calls().write(descriptor_, bytes, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("write", path_, errno);
    if (put == 0) fail("write", path_, ENOSPC);  // it would never end
    bytes += put;
    size -= static_cast<std::size_t>(put);
  }
}

void AtomicFile::commit() {
  if (descriptor_ < 0) throw IoError("[io] '" + path_ + "' is closed");
  // A device cannot be flushed; a file that cannot is not safe.
  if (fsync_retrying(descriptor_) != 0 && !temporary_.empty()) {
    fail("flush", path_, errno);
  }
  // Once only: after EINTR the number may already be another file's.
  const int closing = std::exchange(descriptor_, -1);
  if (system_calls().close(closing) != 0 && errno != EINTR) {
    fail("close", path_, errno);
  }
  if (temporary_.empty()) return;
  // From here on nothing but the system can fail.
  const std::string directory = directory_of(target_);
  int renamed = 0;
  do {
    renamed = system_calls().rename(temporary_.c_str(), target_.c_str());
  } while (renamed != 0 && errno == EINTR);
  if (renamed != 0) fail("replace", path_, errno);
  temporary_.clear();
  flush_directory(directory, target_);
}

std::vector<std::string> remove_leftovers(const std::string& directory) {
  namespace fs = std::filesystem;
  std::vector<std::string> removed;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!is_leftover(name)) continue;
    std::error_code ignored;
    if (fs::remove(at->path(), ignored)) removed.push_back(name);
  }
  std::sort(removed.begin(), removed.end());
  return removed;
}

void write_file(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

void write_file(const std::string& path, const Bytes& content) {
  write_file(path,
             std::string_view(reinterpret_cast<const char*>(content.data()),
                              content.size()));
}

}  // namespace mjolnir::io
