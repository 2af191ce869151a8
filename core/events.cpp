#include <mjolnir/core/events.h>

#include <map>
#include <mutex>
#include <utility>

namespace mjolnir {
namespace {

struct Registry {
  std::mutex mutex;
  EventSink sink;
  std::map<std::string, std::int64_t> counts;
};

Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

}  // namespace

EventSink set_event_sink(EventSink sink) {
  Registry& r = registry();
  const std::lock_guard<std::mutex> lock(r.mutex);
  std::swap(r.sink, sink);
  return sink;
}

void emit(Severity severity, std::string topic, std::string message) {
  Registry& r = registry();
  const std::lock_guard<std::mutex> lock(r.mutex);
  ++r.counts[topic];
  if (r.sink) r.sink(Event{severity, std::move(topic), std::move(message)});
}

std::int64_t event_count(const std::string& topic) {
  Registry& r = registry();
  const std::lock_guard<std::mutex> lock(r.mutex);
  const auto found = r.counts.find(topic);
  return found == r.counts.end() ? 0 : found->second;
}

}  // namespace mjolnir
