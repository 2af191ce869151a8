#include "train/detail/line_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>

namespace mjolnir::train::detail {

LineFile::LineFile(const std::string& path) : path_(path) {
  fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC,
             0666);
  if (fd_ < 0) {
    throw IoError("[metrics] cannot write '" + path +
                  "': " + std::strerror(errno));
  }
}

LineFile::~LineFile() {
  if (fd_ >= 0) {
    close(fd_);
  }
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
  if (n != static_cast<ssize_t>(text.size())) {
    const std::string reason = n < 0 ? std::strerror(errno) : "disk full";
    close(fd_);
    fd_ = -1;
    emit(Severity::Warning, "metrics",
         "no more rows go to '" + path_ + "': " + reason);
  }
}

}  // namespace mjolnir::train::detail
