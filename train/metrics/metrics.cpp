#include "train/metrics/metrics.h"

#include <mjolnir/core/error.h>

#include "train/detail/text.h"
#include "train/metrics/detail/line_file.h"

namespace mjolnir::train {

namespace {

std::string field(const std::optional<double>& value) {
  return value ? detail::shortest(*value) : "";
}

}  // namespace

MetricsFile::MetricsFile(const std::string& path,
                         const std::vector<std::string>& more, bool go_on)
    : file_(std::make_unique<detail::LineFile>(path, go_on)),
      more_(more.size()) {
  std::string header =
      "kind,epoch,step,loss,accuracy,validation_loss,validation_accuracy,"
      "learning_rate,damping,refreshes,damping_a,damping_g,cosine";
  for (const std::string& name : more) {
    header += "," + name;
  }
  header += ",seconds,images_per_second";
  if (file_->empty()) {
    file_->write(header);
  } else if (!file_->begins_with(header)) {
    throw IoError("[metrics] '" + path +
                  "' has other columns than this run would write");
  }
}

MetricsFile::~MetricsFile() = default;

void MetricsFile::visit_state(StateVisitor& visitor) {
  file_->visit_state(visitor);
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
  file_->write(line);
}

}  // namespace mjolnir::train
