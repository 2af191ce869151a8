#include "train/metrics/metrics_jsonl.h"

#include <nlohmann/json.hpp>

#include <mjolnir/core/error.h>

#include "train/detail/text.h"
#include "train/metrics/detail/line_file.h"

namespace mjolnir::train {

namespace {

using Json = nlohmann::ordered_json;

template <class T>
void put(Json& object, const char* name, const std::optional<T>& value) {
  if (value) {
    object[name] = *value;
  }
}

// As many decimals as in metrics.csv.
Json rounded(double value, int decimals) {
  return *detail::to_double(detail::fixed(value, decimals));
}

}  // namespace

MetricsJsonl::MetricsJsonl(const std::string& path,
                           const std::vector<std::string>& more, bool go_on)
    : file_(std::make_unique<detail::LineFile>(path, go_on)), more_(more) {}

MetricsJsonl::~MetricsJsonl() = default;

void MetricsJsonl::visit_state(StateVisitor& visitor) {
  file_->visit_state(visitor);
}

void MetricsJsonl::add(const MetricsRow& row) {
  if (!row.more.empty() && row.more.size() != more_.size()) {
    throw ValueError("[metrics] expected " + std::to_string(more_.size()) +
                     " cells besides, got " + std::to_string(row.more.size()));
  }
  Json object = {{"kind", row.kind}, {"epoch", row.epoch}, {"step", row.step}};
  put(object, "loss", row.loss);
  put(object, "accuracy", row.accuracy);
  put(object, "validation_loss", row.validation_loss);
  put(object, "validation_accuracy", row.validation_accuracy);
  put(object, "learning_rate", row.learning_rate);
  put(object, "damping", row.damping);
  put(object, "refreshes", row.refreshes);
  put(object, "damping_a", row.damping_a);
  put(object, "damping_g", row.damping_g);
  put(object, "cosine", row.cosine);
  for (std::size_t i = 0; i < row.more.size(); ++i) {
    const std::string& cell = row.more[i];
    const auto number = detail::to_double(cell);
    if (number && more_[i] != "layer") {  // a layer may be called "0"
      object[more_[i]] = *number;
    } else if (!cell.empty()) {
      object[more_[i]] = cell;
    }
  }
  object["seconds"] = rounded(row.seconds, 3);
  object["images_per_second"] = rounded(row.images_per_second, 1);
  file_->write(object.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace mjolnir::train
