#include "train/config.h"

#include <spdlog/version.h>
#include <zlib.h>

#include <CLI/Version.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <xtensor-blas/xblas_config.hpp>
#include <xtensor/xtensor_config.hpp>

#include <mjolnir/core/backend.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/io/file.h>
#include <mjolnir/io/sha256.h>
#include <mjolnir/version.h>

namespace mjolnir::train {

namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json option_values(const TrainOptions& o) {
  return Json{{"data", o.data},
              {"data-dir", o.data_dir},
              {"validation", or_null(o.validation)},
              {"augment", o.augment},
              {"model", o.model},
              {"width", or_null(o.width)},
              {"optimizer", o.optimizer},
              {"epochs", o.epochs},
              {"batch", o.batch},
              {"learning-rate", or_null(o.learning_rate)},
              {"schedule", o.schedule},
              {"warmup", o.warmup},
              {"momentum", o.momentum},
              {"nesterov", o.nesterov},
              {"weight-decay", or_null(o.weight_decay)},
              {"label-smoothing", o.label_smoothing},
              {"damping", or_null(o.damping)},
              {"frequency", o.frequency},
              {"refresh-rule", o.refresh_rule},
              {"split-dim", or_null(o.split_dim)},
              {"statistics", o.statistics},
              {"seed", o.seed},
              {"threads", o.threads},
              {"log-every", o.log_every},
              {"report-curvature", o.report_curvature},
              {"tensorboard", o.tensorboard},
              {"no-report", o.no_report},
              {"out", o.out},
              {"checkpoint-every", o.checkpoint_every},
              {"keep", o.keep},
              {"on-divergence", o.on_divergence}};
}

std::string text_of(const Json& value) {
  if (value.is_null()) {
    return "";
  }
  return value.is_string()
             ? value.get<std::string>()
             : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string version(int major, int minor, int patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." +
         std::to_string(patch);
}

std::string compiler() {
#ifdef __clang__
  return __VERSION__;  // names clang itself
#else
  return std::string("g++ ") + __VERSION__;
#endif
}

// The value of the first "key : value" line of /proc/cpuinfo, or "".
std::string cpuinfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (line.compare(0, key.size(), key) == 0 && colon != std::string::npos &&
        line.find_first_not_of(" \t", key.size()) == colon) {
      return colon + 2 < line.size() ? line.substr(colon + 2) : "";
    }
  }
  return "";
}

}  // namespace

std::string config_text(const TrainOptions& options) {
  Json config;
  config["options"] = option_values(options);
  config["versions"] = {
      {"mjolnir", library_version()},
      {"xtensor", version(XTENSOR_VERSION_MAJOR, XTENSOR_VERSION_MINOR,
                          XTENSOR_VERSION_PATCH)},
      {"xtensor-blas",
       version(XTENSOR_BLAS_VERSION_MAJOR, XTENSOR_BLAS_VERSION_MINOR,
               XTENSOR_BLAS_VERSION_PATCH)},
      {"onednn", has_onednn() ? Json(onednn_version()) : Json()},
      {"spdlog", version(SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH)},
      {"cli11", CLI11_VERSION},
      {"nlohmann-json",
       version(NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
               NLOHMANN_JSON_VERSION_PATCH)},
      {"zlib", zlibVersion()},
      {"compiler", compiler()}};
  config["build"] = {{"type", MJOLNIR_BUILD_TYPE},
                     {"native", bool(MJOLNIR_BUILD_NATIVE)}};
  config["threads"] = num_threads();
  config["blas"] = blas_description();
  config["onednn"] = has_onednn();
  config["cpu"] = {{"model", cpuinfo("model name")},
                   {"flags", cpuinfo("flags")}};
  return config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string build_text() {
  return std::string(library_version()) + ", " + MJOLNIR_BUILD_TYPE +
         (MJOLNIR_BUILD_NATIVE ? ", native" : "") + ", " + compiler() +
         ", oneDNN " + (has_onednn() ? onednn_version() : "none") + ", " +
         cpuinfo("model name");
}

std::string config_hash(const TrainOptions& options) {
  Json values = option_values(options);
  for (const char* name :
       {"out", "checkpoint-every", "keep", "tensorboard", "no-report"}) {
    values.erase(name);
  }
  const std::string text =
      values.dump(-1, ' ', false, Json::error_handler_t::replace);
  return io::sha256(text.data(), text.size());
}

std::vector<std::pair<std::string, std::string>> option_texts(
    const TrainOptions& options) {
  std::vector<std::pair<std::string, std::string>> texts;
  const Json values = option_values(options);  // items() refers to it
  for (const auto& [name, value] : values.items()) {
    texts.emplace_back(name, text_of(value));
  }
  return texts;
}

std::vector<std::string> config_arguments(const std::string& path) {
  const io::Bytes bytes = io::read_file(path);
  const Json config = Json::parse(bytes.begin(), bytes.end(), nullptr, false);
  if (!config.is_object() || !config.contains("options") ||
      !config["options"].is_object()) {
    throw IoError("[config] '" + path + "' is not the config.json of a run");
  }
  std::vector<std::string> arguments;
  for (const auto& [name, value] : config["options"].items()) {
    if (value.is_structured()) {
      throw IoError("[config] '" + path + "' has " + name +
                    ", which is neither a word nor a number");
    }
    const std::string text = text_of(value);
    if (name == "out" || text.empty() || value == false) {
      continue;
    }
    arguments.push_back("--" + name);
    if (!value.is_boolean()) {
      arguments.push_back(text);
    }
  }
  return arguments;
}

void write_config(const std::string& path, const TrainOptions& options) {
  io::write_file(path, config_text(options));
}

}  // namespace mjolnir::train
