#include "train/run_result.h"

#include <limits>
#include <nlohmann/json.hpp>

#include <mjolnir/core/error.h>

namespace mjolnir::train {

namespace {

using Json = nlohmann::ordered_json;

constexpr FitStatus all_statuses[] = {FitStatus::Completed, FitStatus::Diverged,
                                      FitStatus::Interrupted};

FitStatus status_of(const std::string& name) {
  for (const FitStatus status : all_statuses) {
    if (name == name_of(status)) {
      return status;
    }
  }
  throw IoError("no such status '" + name + "'");
}

Json test_values(const Meter& test) {
  Json values = {{"images", test.samples}, {"loss", test.loss()}};
  if (test.has_accuracy) {
    values["correct"] = test.correct;
    values["accuracy"] = test.accuracy();
    values["standard_error"] = test.standard_error();
  }
  return values;
}

Meter meter_of(const Json& values) {
  Meter test;
  const Json& loss = values.at("loss");  // null: it was not finite
  test.add(loss.is_null() ? std::numeric_limits<double>::quiet_NaN()
                          : loss.get<double>(),
           values.at("images").get<std::int64_t>(),
           values.value("correct", std::int64_t{-1}));
  return test;
}

}  // namespace

const char* name_of(FitStatus status) noexcept {
  switch (status) {
    case FitStatus::Diverged:
      return "diverged";
    case FitStatus::Interrupted:
      return "interrupted";
    case FitStatus::Completed:
      break;
  }
  return "completed";
}

void write_result(const std::string& path, const FitResult& result,
                  const std::optional<Meter>& test) {
  const Json values = {
      {"status", name_of(result.status)},
      {"reason", result.reason},
      {"steps", result.run_steps},
      {"epochs", result.epochs.empty() ? 0 : result.epochs.back().epoch},
      {"best_epoch", result.best_epoch},
      {"seconds", result.seconds},
      {"test", test ? test_values(*test) : Json()}};
  io::write_file(
      path, values.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

RunResult read_result(const std::string& path) {
  return parse_result(io::read_file(path), path);
}

RunResult parse_result(const io::Bytes& bytes, const std::string& name) {
  try {
    const Json values = Json::parse(bytes.begin(), bytes.end());
    RunResult result;
    result.status = status_of(values.at("status").get<std::string>());
    result.reason = values.value("reason", "");
    result.steps = values.at("steps").get<std::int64_t>();
    result.epochs = values.at("epochs").get<std::int64_t>();
    result.best_epoch = values.at("best_epoch").get<std::int64_t>();
    result.seconds = values.at("seconds").get<double>();
    if (!values.at("test").is_null()) {
      result.test = meter_of(values.at("test"));
    }
    return result;
  } catch (const std::exception& error) {
    throw IoError("[run] '" + name +
                  "' is not the result of a run: " + error.what());
  }
}

}  // namespace mjolnir::train
