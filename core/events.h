#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace mjolnir {

/** How much an event matters to a user. */
enum class Severity : std::uint8_t { Info, Warning, Problem };

/** Something a user should hear although nothing was thrown. */
struct Event {
  Severity severity = Severity::Info;
  std::string topic;    ///< Stable name to filter by, e.g. "ladder".
  std::string message;  ///< One sentence for a person.
};

using EventSink = std::function<void(const Event&)>;

/**
 * Replaces the process-wide sink and returns the previous one. The default
 * (and an empty sink) is silent. A sink is called by one thread at a time, and
 * by none after the call that replaced it (unless a sink itself made it). It
 * may call any function of the library, these three too; what it throws is
 * dropped.
 */
EventSink set_event_sink(EventSink sink);

/**
 * Counts the event under its topic and hands it to the sink. An event from
 * within a sink is counted only: a sink that emits would hear itself for ever.
 * Never throws what a sink throws.
 */
void emit(Severity severity, std::string topic, std::string message);

/** Events emitted so far under a topic. */
std::int64_t event_count(const std::string& topic);

}  // namespace mjolnir
