#include "train/metrics/detail/line_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>

namespace mjolnir::train::detail {

LineFile::LineFile(const std::string& path, bool go_on) : path_(path) {
  fd_ = open(path.c_str(),
             O_RDWR | O_CREAT | (go_on ? 0 : O_TRUNC) | O_APPEND | O_CLOEXEC,
             0666);
  if (fd_ < 0) {
    throw IoError("[metrics] cannot write '" + path +
                  "': " + std::strerror(errno));
  }
  struct stat info {};
  if (fstat(fd_, &info) == 0) {
    size_ = info.st_size;
  }
}

LineFile::~LineFile() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

bool LineFile::begins_with(const std::string& line) const {
  std::string there(line.size() + 1, ' ');
  const ssize_t got = pread(fd_, there.data(), there.size(), 0);
  return got == static_cast<ssize_t>(there.size()) && there == line + "\n";
}

void LineFile::visit_state(StateVisitor& visitor) {
  std::int64_t size = size_;
  size = visitor.integer(size, 0, INT64_MAX);
  if (visitor.loading() && fd_ >= 0) {
    cut(size);
  }
}

void LineFile::cut(std::int64_t size) {
  if (size_ < size) {
    emit(Severity::Warning, "metrics",
         "'" + path_ + "' is shorter than it was: some rows are missing");
    // The last row may not be whole.
    std::string last(1, '\n');
    size = size_;
    while (size > 0 && pread(fd_, last.data(), 1, size - 1) == 1 &&
           last != "\n") {
      --size;
    }
  }
  if (ftruncate(fd_, size) != 0) {
    throw IoError("[metrics] cannot cut '" + path_ +
                  "': " + std::strerror(errno));
  }
  size_ = size;
}

void LineFile::write(std::string text) {
  if (fd_ < 0) {
    return;
  }
  text += '\n';
  ssize_t n = 0;
  do {
    n = ::write(fd_, text.data(), text.size());
  } while (n < 0 && errno == EINTR);
  if (n == static_cast<ssize_t>(text.size())) {
    size_ += n;
    return;
  }
  const std::string reason = n < 0 ? std::strerror(errno) : "disk full";
  close(fd_);
  fd_ = -1;
  emit(Severity::Warning, "metrics",
       "no more rows go to '" + path_ + "': " + reason);
}

}  // namespace mjolnir::train::detail
