#pragma once

#include <memory>
#include <string>

#include <mjolnir/core/events.h>
#include <mjolnir/train/program/console.h>

namespace mjolnir::train {

/**
 * The log of a program, through spdlog. While it lives it is the library's
 * event sink: what the library has to say appears as lines on the console,
 * above the progress line. Of each topic the first few events are shown in
 * full; the rest are counted and told by summary(). Those of topic "decision"
 * are left to decisions.csv. The previous sink comes back when the log is
 * destroyed; the console must outlive it.
 */
class Log {
 public:
  explicit Log(Console& console);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void info(const std::string& message);
  void warning(const std::string& message);
  void error(const std::string& message);

  /** One line per topic that emitted more than was shown. */
  void summary();

  /** Events of one topic that are shown in full. */
  static constexpr int shown_per_topic = 5;

 private:
  struct State;
  std::shared_ptr<State> state_;
  EventSink previous_;
};

}  // namespace mjolnir::train
