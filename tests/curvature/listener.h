#pragma once

#include <vector>

#include <mjolnir/core/events.h>

namespace mjolnir {

/** Collects the events of its lifetime. */
class Listener {
 public:
  Listener() {
    previous_ = set_event_sink([this](const Event& e) { events.push_back(e); });
  }
  ~Listener() { set_event_sink(previous_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::vector<Event> events;

 private:
  EventSink previous_;
};

}  // namespace mjolnir
