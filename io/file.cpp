#include <mjolnir/io/file.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

namespace mjolnir::io {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& path,
                       int error) {
  throw IoError("[io] cannot " + what + " '" + path +
                "': " + std::generic_category().message(error));
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
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
    descriptor = ::open(path, flags | O_CLOEXEC, mode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
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
void flush_directory(const std::string& path) {
  const Descriptor directory(
      open_retrying(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY));
  if (directory.get() < 0) fail("open the directory of", path, errno);
  if (::fsync(directory.get()) != 0 && errno != EINVAL) {
    fail("flush the directory of", path, errno);
  }
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
    static std::atomic<unsigned> count{0};
    temporary_ = target_ + ".tmp-" + std::to_string(::getpid()) + "-" +
                 std::to_string(count.fetch_add(1));
    descriptor_ =
        open_retrying(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666);
  }
  if (descriptor_ < 0) fail("write", path_, errno);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t size) {
  if (descriptor_ < 0) throw IoError("[io] '" + path_ + "' is closed");
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t put = ::write(descriptor_, bytes, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("write", path_, errno);
    bytes += put;
    size -= static_cast<std::size_t>(put);
  }
}

void AtomicFile::commit() {
  if (descriptor_ < 0) throw IoError("[io] '" + path_ + "' is closed");
  // A device cannot be flushed; a file that cannot is not safe.
  if (::fsync(descriptor_) != 0 && !temporary_.empty()) {
    fail("flush", path_, errno);
  }
  const int closing = std::exchange(descriptor_, -1);
  if (::close(closing) != 0) fail("close", path_, errno);
  if (temporary_.empty()) return;
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
    fail("replace", path_, errno);
  }
  temporary_.clear();
  flush_directory(target_);
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
