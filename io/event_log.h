#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <mjolnir/io/event_file.h>

namespace mjolnir::io {

/** A value under its tag: one of the three, or none where a file has another
 * kind. */
struct EventValue {
  std::string tag;
  std::optional<float> scalar;
  std::optional<Histogram> histogram;
  std::optional<EventImage> image;
};

/** A record of an event file. */
struct EventRecord {
  double seconds = 0.0;  ///< Since 1970.
  std::int64_t step = 0;
  std::string file_version;  ///< Of the first record, "brain.Event:2".
  bool start = false;        ///< Where a run went on; see EventFileOptions.
  std::vector<EventValue> values;
};

/** Content of an event file. */
struct EventLog {
  std::vector<EventRecord> records;  ///< The whole ones, in order.
  std::size_t whole_bytes = 0;       ///< How far they reach.
  bool torn = false;                 ///< Part of a record follows them.
};

/**
 * Reads an event file, of which another process may still be writing the end:
 * a last record that is not complete is no error. Unknown fields are passed
 * over. Throws IoError with the path and the place for a checksum or a message
 * that is wrong.
 */
EventLog read_events(const std::string& path);

/** The same from memory; `name` is for the messages. */
EventLog decode_events(const Bytes& bytes, const std::string& name);

}  // namespace mjolnir::io
