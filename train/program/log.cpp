#include "train/program/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

namespace mjolnir::train {

namespace {

class ConsoleSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ConsoleSink(Console& console) : console_(console) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string text(message.payload.data(), message.payload.size());
    console_.line(prefix(message.level) + text);
  }
  void flush_() override {}

 private:
  std::string prefix(spdlog::level::level_enum level) const {
    if (level < spdlog::level::warn) {
      return "";
    }
    const bool error = level >= spdlog::level::err;
    const std::string word = error ? "error: " : "warning: ";
    if (!console_.color()) {
      return word;
    }
    return (error ? "\x1b[31m" : "\x1b[33m") + word + "\x1b[0m";
  }

  Console& console_;
};

spdlog::level::level_enum level_of(Severity severity) {
  switch (severity) {
    case Severity::Info:
      return spdlog::level::info;
    case Severity::Warning:
      return spdlog::level::warn;
    case Severity::Problem:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

struct Log::State {
  explicit State(Console& console)
      : logger("mjolnir", std::make_shared<ConsoleSink>(console)) {}

  void hear(const Event& event) {
    if (event.topic == "decision") return;  // decisions.csv has them
    const std::lock_guard<std::mutex> lock(mutex);
    if (++heard[event.topic] <= shown_per_topic) {
      // Its own argument: a message may hold braces.
      logger.log(level_of(event.severity), "[{}] {}", event.topic,
                 event.message);
    }
  }

  spdlog::logger logger;
  std::mutex mutex;
  std::map<std::string, std::int64_t> heard;
};

Log::Log(Console& console) : state_(std::make_shared<State>(console)) {
  previous_ = set_event_sink(
      [state = state_](const Event& event) { state->hear(event); });
}

Log::~Log() { set_event_sink(std::move(previous_)); }

void Log::info(const std::string& message) {
  state_->logger.info("{}", message);
}

void Log::warning(const std::string& message) {
  state_->logger.warn("{}", message);
}

void Log::error(const std::string& message) {
  state_->logger.error("{}", message);
}

void Log::summary() {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  for (const auto& [topic, count] : state_->heard) {
    if (count > shown_per_topic) {
      state_->logger.warn("[{}] {} more like this", topic,
                          count - shown_per_topic);
    }
  }
}

}  // namespace mjolnir::train
