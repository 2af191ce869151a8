#include "train/metrics.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>

#include "train/detail/text.h"

namespace mjolnir::train {

namespace {

std::string field(const std::optional<double>& value) {
  return value ? detail::shortest(*value) : "";
}

}  // namespace

MetricsFile::MetricsFile(const std::string& path,
                         const std::vector<std::string>& more, bool go_on)
    : path_(path), more_(more.size()) {
  fd_ = open(path.c_str(),
             O_RDWR | O_CREAT | (go_on ? 0 : O_TRUNC) | O_APPEND | O_CLOEXEC,
             0666);
  if (fd_ < 0) {
    throw IoError("[metrics] cannot write '" + path +
                  "': " + std::strerror(errno));
  }
  std::string header =
      "kind,epoch,step,loss,accuracy,validation_loss,validation_accuracy,"
      "learning_rate,damping,refreshes,damping_a,damping_g,cosine";
  for (const std::string& name : more) {
    header += "," + name;
  }
  begin(header + ",seconds,images_per_second\n");
}

// A destructor does not follow a constructor that throws.
void MetricsFile::begin(const std::string& header) {
  struct stat info {};
  if (fstat(fd_, &info) != 0 || info.st_size == 0) {
    return write(header);
  }
  size_ = info.st_size;
  std::string there(header.size(), ' ');
  const ssize_t got = pread(fd_, there.data(), there.size(), 0);
  if (got == static_cast<ssize_t>(header.size()) && there == header) {
    return;
  }
  close(fd_);
  throw IoError("[metrics] '" + path_ +
                "' has other columns than this run would write");
}

void MetricsFile::visit_state(StateVisitor& visitor) {
  std::int64_t size = size_;
  size = visitor.integer(size, 0, INT64_MAX);
  if (visitor.loading() && fd_ >= 0) {
    cut(size);
  }
}

void MetricsFile::cut(std::int64_t size) {
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

MetricsFile::~MetricsFile() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

void MetricsFile::add(const MetricsRow& row) {
  if (!row.more.empty() && row.more.size() != more_) {
    throw ValueError("[metrics] expected " + std::to_string(more_) +
                     " cells besides, got " + std::to_string(row.more.size()));
  }
  std::string line = row.kind;
  const auto append = [&line](const std::string& text) { line += "," + text; };
  append(std::to_string(row.epoch));
  append(std::to_string(row.step));
  append(field(row.loss));
  append(field(row.accuracy));
  append(field(row.validation_loss));
  append(field(row.validation_accuracy));
  append(field(row.learning_rate));
  append(field(row.damping));
  append(row.refreshes ? std::to_string(*row.refreshes) : "");
  append(field(row.damping_a));
  append(field(row.damping_g));
  append(field(row.cosine));
  for (std::size_t i = 0; i < more_; ++i) {
    append(row.more.empty() ? "" : row.more.at(i));
  }
  append(detail::fixed(row.seconds, 3));
  append(detail::fixed(row.images_per_second, 1));
  write(line + "\n");
}

void MetricsFile::write(const std::string& line) {
  if (fd_ < 0) {
    return;
  }
  ssize_t n = 0;
  do {
    n = ::write(fd_, line.data(), line.size());
  } while (n < 0 && errno == EINTR);
  if (n == static_cast<ssize_t>(line.size())) {
    size_ += n;
  } else {
    const std::string reason = n < 0 ? std::strerror(errno) : "disk full";
    close(fd_);
    fd_ = -1;
    emit(Severity::Warning, "metrics",
         "no more rows go to '" + path_ + "': " + reason);
  }
}

}  // namespace mjolnir::train
