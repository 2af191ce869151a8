#include "train/metrics.h"

#include <fcntl.h>
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
                         const std::vector<std::string>& more)
    : path_(path), more_(more.size()) {
  fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC,
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
  write(header + ",seconds,images_per_second\n");
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
  if (n != static_cast<ssize_t>(line.size())) {
    const std::string reason = n < 0 ? std::strerror(errno) : "disk full";
    close(fd_);
    fd_ = -1;
    emit(Severity::Warning, "metrics",
         "no more rows go to '" + path_ + "': " + reason);
  }
}

}  // namespace mjolnir::train
