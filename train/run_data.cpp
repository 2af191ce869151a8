#include "train/run_data.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include <mjolnir/core/error.h>
#include <mjolnir/io/file.h>
#include <mjolnir/train/options.h>

#include "train/detail/text.h"

namespace mjolnir::train {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& value) {
  if (value.is_null()) {
    return "";
  }
  if (value.is_string()) {
    return value.get<std::string>();
  }
  if (value.is_boolean()) {
    return value.get<bool>() ? "on" : "off";
  }
  if (value.is_number_float()) {
    return detail::compact(value.get<double>(), 12);
  }
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// {"a": {"b": 1}} becomes "a b", "1".
void flatten(const Json& values, const std::string& prefix, NamedTexts& out) {
  for (const auto& [name, value] : values.items()) {
    if (value.is_object()) {
      flatten(value, prefix + name + " ", out);
    } else {
      out.emplace_back(prefix + name, text_of(value));
    }
  }
}

void check_is_run(const std::string& folder) {
  if (!fs::is_directory(folder)) {
    throw UsageError("'" + folder + "': there is no such folder");
  }
  for (const char* name : {"config.json", "metrics.csv"}) {
    if (!io::file_exists((fs::path(folder) / name).string())) {
      throw UsageError("'" + folder +
                       "' is not the folder of a run: there is " + "no " +
                       name + " in it");
    }
  }
}

std::string own_name(const std::string& folder) {
  fs::path path = fs::path(folder).lexically_normal();
  if (!path.has_filename()) {
    path = path.parent_path();
  }
  const std::string name = path.filename().string();
  return name.empty() || name == "." || name == ".."
             ? fs::absolute(path).lexically_normal().filename().string()
             : name;
}

// Of a config: the deepest that config_text() writes is 2.
constexpr int most_depth = 16;

}  // namespace

void parse_config(const io::Bytes& bytes, const std::string& name,
                  RunData& run) {
  // What walks the values would need a stack as deep as they are nested.
  const auto shallow = [](int depth, Json::parse_event_t, const Json&) {
    if (depth > most_depth) {
      throw IoError("its values are nested too deeply");
    }
    return true;
  };
  try {
    Json config = Json::parse(bytes.begin(), bytes.end(), shallow);
    flatten(config.at("options"), "", run.options);
    config.erase("options");
    flatten(config, "", run.surroundings);
  } catch (const std::exception& error) {
    throw IoError("[run] '" + name +
                  "' is not the config of a run: " + error.what());
  }
}

std::string RunData::option(const std::string& wanted) const {
  for (const auto& [key, value] : options) {
    if (key == wanted) {
      return value;
    }
  }
  return "";
}

std::int64_t RunData::count(const std::string& wanted) const {
  return detail::to_integer(option(wanted)).value_or(0);
}

RunData read_run(const std::string& folder) {
  check_is_run(folder);
  const auto path = [&](const char* name) {
    return (fs::path(folder) / name).string();
  };
  RunData run;
  run.folder = folder;
  run.name = own_name(folder);
  parse_config(io::read_file(path("config.json")), path("config.json"), run);
  run.metrics = read_metrics(path("metrics.csv"));
  if (io::file_exists(path("decisions.csv"))) {
    run.decisions = read_decisions(path("decisions.csv"));
  }
  if (io::file_exists(path("result.json"))) {
    run.result = read_result(path("result.json"));
  }
  if (!run.metrics.epochs.empty()) {
    const MetricsRow& last = run.metrics.epochs.back();
    run.steps_per_epoch = last.step / std::max<std::int64_t>(last.epoch, 1);
  }
  return run;
}

double position(const RunData& run, RunAxis axis, double step, double seconds) {
  switch (axis) {
    case RunAxis::Epoch:
      return run.steps_per_epoch > 0
                 ? step / static_cast<double>(run.steps_per_epoch)
                 : std::numeric_limits<double>::quiet_NaN();
    case RunAxis::Time:
      return seconds;
    case RunAxis::Step:
      break;
  }
  return step;
}

double seconds_at(const RunData& run, double step) {
  const std::vector<MetricsRow>& rows =
      run.metrics.steps.empty() ? run.metrics.epochs : run.metrics.steps;
  const auto after = std::lower_bound(
      rows.begin(), rows.end(), step, [](const MetricsRow& row, double s) {
        return static_cast<double>(row.step) < s;
      });
  if (rows.empty()) {
    return 0.0;
  }
  if (after == rows.end()) {
    return rows.back().seconds;
  }
  const bool first = after == rows.begin();
  const double from_step = first ? 0.0 : static_cast<double>((after - 1)->step);
  const double from = first ? 0.0 : (after - 1)->seconds;
  const double length = static_cast<double>(after->step) - from_step;
  const double share = length > 0.0 ? (step - from_step) / length : 1.0;
  return from + share * (after->seconds - from);
}

double standard_error(double accuracy, double images) {
  return images > 0.0 ? std::sqrt(accuracy * (1.0 - accuracy) / images) : 0.0;
}

const MetricsRow* best_epoch(const RunData& run) {
  const MetricsRow* best = nullptr;
  for (const MetricsRow& row : run.metrics.epochs) {
    if (row.validation_accuracy &&
        (best == nullptr || !best->validation_accuracy ||
         *row.validation_accuracy > *best->validation_accuracy)) {
      best = &row;
    } else if (!row.validation_accuracy && row.validation_loss &&
               (best == nullptr ||
                (!best->validation_accuracy &&
                 *row.validation_loss < *best->validation_loss))) {
      best = &row;
    }
  }
  return best;
}

const MetricsRow* first_to_reach(const RunData& run, double accuracy) {
  for (const MetricsRow& row : run.metrics.epochs) {
    if (row.validation_accuracy && *row.validation_accuracy >= accuracy) {
      return &row;
    }
  }
  return nullptr;
}

}  // namespace mjolnir::train
