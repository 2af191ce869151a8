#include <mjolnir/core/events.h>

#include <map>
#include <mutex>
#include <utility>

namespace mjolnir {
namespace {

struct Registry {
  std::mutex calls;  // held while a sink runs
  std::mutex state;  // of the fields below, never held while a sink runs
  EventSink sink;
  std::map<std::string, std::int64_t> counts;
};

// Never destroyed: statics of other files may emit when they end.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

thread_local bool inside_sink = false;

EventSink swap_sink(Registry& r, EventSink sink) {
  const std::lock_guard<std::mutex> lock(r.state);
  std::swap(r.sink, sink);
  return sink;
}

}  // namespace

EventSink set_event_sink(EventSink sink) {
  Registry& r = registry();
  if (inside_sink) return swap_sink(r, std::move(sink));
  const std::lock_guard<std::mutex> lock(r.calls);
  return swap_sink(r, std::move(sink));
}

void emit(Severity severity, std::string topic, std::string message) {
  Registry& r = registry();
  {
    const std::lock_guard<std::mutex> lock(r.state);
    ++r.counts[topic];
    if (!r.sink || inside_sink) return;
  }
  const std::lock_guard<std::mutex> calls(r.calls);
  EventSink sink;  // a copy, because the sink may replace itself
  {
    const std::lock_guard<std::mutex> lock(r.state);
    sink = r.sink;
  }
  if (!sink) return;
  inside_sink = true;
  try {
    sink(Event{severity, std::move(topic), std::move(message)});
  } catch (...) {
    // Events come from where nothing was thrown, noexcept functions included.
  }
  inside_sink = false;
}

std::int64_t event_count(const std::string& topic) {
  Registry& r = registry();
  const std::lock_guard<std::mutex> lock(r.state);
  const auto found = r.counts.find(topic);
  return found == r.counts.end() ? 0 : found->second;
}

}  // namespace mjolnir
